// A recorded episode: play, pause and scrub through pictures, actions, action values and rewards.
"use strict";

function showEpisode(section, data) {
  const length = data.steps.length;
  const episode = { position: 0, playing: length > 1 };
  const total = [];
  data.rewards.forEach((reward, k) => total.push((total[k - 1] ?? 0) + reward));
  const picture = data.pictures ? makePicture(data.pictures) : null;
  const names = (data.obs?.[0] ?? []).map((_, i) => `obs ${i}`);
  const observation = picture ? null : makeBars(names);
  const bars = makeBars(data.q[0].map((_, action) => `action ${action}`));
  const [count, facts, side, left] = ["number", "hint", "", ""].map((name) => element("div", name));
  const scrubber = element("input");
  Object.assign(scrubber, { type: "range", min: 0, max: length - 1, step: 1, value: 0 });
  scrubber.setAttribute("aria-label", "Step of the episode");
  scrubber.addEventListener("input", () => {
    episode.playing = false;
    show(Number(scrubber.value));
  });
  const play = button("Pause", () => {
    episode.playing = !episode.playing;
    if (episode.playing && episode.position === length - 1) show(0);
    else show(episode.position);
  });
  const show = (position) => {
    episode.position = position;
    scrubber.value = position;
    play.textContent = episode.playing ? "Pause" : "Play";
    picture?.show(position);
    observation?.show(data.obs[position], -1);
    bars.show(data.q[position], data.actions[position]);
    count.replaceChildren(format(total[position]), element("small", "", " return so far"));
    const step = `Step ${data.steps[position] + 1} of ${data.steps.at(-1) + 1}`;
    facts.textContent = `${step}, reward ${format(data.rewards[position])}`;
  };
  const controls = element("div", "row");
  controls.append(play, button("‹", () => move(-1)), button("›", () => move(1)));
  const move = (change) => {
    episode.playing = false;
    show(Math.min(Math.max(episode.position + change, 0), length - 1));
  };
  left.append(picture?.root ?? observation.root, scrubber, controls);
  side.append(count, facts, bars.root);
  const stage = element("div", "stage");
  stage.append(left, side);
  section.append(stage);
  show(0);
  const milliseconds = Math.min(Math.max(12000 / length, 30), 200);
  setInterval(() => {
    if (!episode.playing) return;
    if (episode.position === length - 1) episode.playing = false;
    show(Math.min(episode.position + 1, length - 1));
  }, milliseconds);
  return episode;
}

/** A canvas that shows one picture of a sheet, enlarged without smoothing if it is small. */
function makePicture({ url, width, height, columns }) {
  const canvas = element("canvas");
  const factor = Math.max(Math.floor(480 / width), 1);
  [canvas.width, canvas.height] = [width * factor, height * factor];
  canvas.style.maxWidth = `${Math.round((440 * width) / Math.max(height, 1))}px`;
  if (factor > 2) canvas.style.imageRendering = "pixelated";
  const sheet = new Image();
  let position = 0;
  const draw = () => {
    const c = canvas.getContext("2d");
    c.imageSmoothingEnabled = factor <= 2;
    const [column, row] = [position % columns, Math.floor(position / columns)];
    c.drawImage(sheet, column * width, row * height, width, height, 0, 0, canvas.width, canvas.height);
  };
  sheet.addEventListener("load", draw);
  sheet.src = url;
  const show = (next) => {
    position = next;
    if (sheet.complete) draw();
  };
  return { root: canvas, show };
}
