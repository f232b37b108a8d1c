// CartPole alive: dynamics as in Gymnasium, the trained policy, and the forces of the reader.
"use strict";

const STANDARD = { gravity: 9.8, poleLength: 1.0, noise: 0.0 };
const TIME_LIMIT = 500;
const HAND = 12.0; // Newton, more than the 10 N of the policy

/** One step of CartPole-v1, Barto, Sutton & Anderson (1983), as Gymnasium integrates it; `extra` is a force in N. */
function stepCartPole(state, action, physics = STANDARD, extra = 0) {
  const [massCart, massPole, seconds] = [1.0, 0.1, 0.02];
  const half = physics.poleLength / 2;
  const total = massCart + massPole;
  const [x, speed, angle, turn] = state;
  const force = (action === 1 ? 10 : -10) + extra;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const push = (force + massPole * half * turn ** 2 * sin) / total;
  const turning =
    (physics.gravity * sin - cos * push) / (half * (4 / 3 - (massPole * cos ** 2) / total));
  const driving = push - (massPole * half * turning * cos) / total;
  return [x + seconds * speed, speed + seconds * driving, angle + seconds * turn, turn + seconds * turning];
}

/** Whether the cart has left the track or the pole has fallen. */
function hasFallen([x, , angle]) {
  return Math.abs(x) > 2.4 || Math.abs(angle) > (12 * Math.PI) / 180 || !Number.isFinite(x + angle);
}

function resetCartPole(random = Math.random) {
  return Array.from({ length: 4 }, () => 0.1 * random() - 0.05);
}

function gaussian() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/** Adds the stage to `section`; returns the simulation, or null if the networks are not reproduced. */
function showCartPole(section, data) {
  const policies = data.policies.map(({ name, weights, q }) => {
    const values = makeNetwork(data.network, decodeWeights(weights));
    return { name, values, error: largestError(values, data.obs, q) };
  });
  if (!policies.every(({ error }) => error <= 1e-4)) {
    section.append(element("p", "hint", "This page cannot reproduce the network of this run."));
    return null;
  }
  const cart = {
    policies,
    policy: policies.at(-1),
    physics: { ...STANDARD },
    paused: false,
    manual: false,
    hand: 0,
    state: resetCartPole(),
    steps: 0,
    longest: 0,
    q: [0, 0],
    action: 0,
    fallen: 0,
    restart() {
      Object.assign(cart, { state: resetCartPole(), steps: 0, fallen: 0 });
    },
    /** One step of 20 ms; a fallen pole lies for half a second. */
    step() {
      if (cart.fallen > 0) {
        if (--cart.fallen === 0) cart.restart();
        return;
      }
      const seen = cart.state.map((x, i) => x + (cart.physics.noise * gaussian()) / data.network.scale[i]);
      cart.q = cart.policy.values(seen);
      cart.action = cart.q[1] > cart.q[0] ? 1 : 0;
      const byHand = cart.manual && cart.hand !== 0;
      if (byHand) cart.action = cart.hand > 0 ? 1 : 0;
      const extra = cart.manual ? 0 : HAND * cart.hand;
      cart.state = stepCartPole(cart.state, cart.action, cart.physics, extra);
      cart.steps++;
      cart.longest = Math.max(cart.longest, cart.steps);
      if (hasFallen(cart.state)) cart.fallen = 25;
    },
  };
  buildStage(section, data, cart);
  return cart;
}

function buildStage(section, data, cart) {
  const chips = element("div", "chips");
  const select = (policy) => {
    cart.policy = policy;
    cart.longest = 0;
    cart.restart();
    chips.childNodes.forEach((chip, k) => chip.setAttribute("aria-pressed", cart.policies[k] === policy));
  };
  chips.append(...cart.policies.map((policy) => button(policy.name, () => select(policy))));
  const canvas = element("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("aria-label", "Cart and pole; the arrow keys push the cart");
  const [count, bars] = [element("div", "number"), makeBars(["← left", "right →"])];
  const side = element("div");
  const pause = button("Pause", () => {
    cart.paused = !cart.paused;
    pause.textContent = cart.paused ? "Go on" : "Pause";
  });
  const standard = button("Standard", () => {
    sliders.forEach((slider) => slider.set(STANDARD[slider.name]));
  });
  const sliders = [
    makeSlider(cart.physics, "poleLength", "Pole length", 0.2, 4, 0.1, "m"),
    makeSlider(cart.physics, "gravity", "Gravity", 0, 30, 0.2, "m/s²"),
    makeSlider(cart.physics, "noise", "Noise of observations", 0, 0.5, 0.01, "× range"),
  ];
  const manual = element("input");
  manual.type = "checkbox";
  manual.addEventListener("change", () => (cart.manual = manual.checked));
  const label = element("label");
  label.append(manual, " Drive yourself with ← and →");
  const buttons = element("div", "row");
  buttons.append(pause, button("Restart", cart.restart), standard);
  side.append(count, bars.root, ...sliders.map((slider) => slider.root), label, buttons);
  const left = element("div");
  left.append(canvas, element("p", "hint", "Push the cart: hold ← or →, or press beside it with the mouse or a finger."));
  const stage = element("div", "stage");
  stage.append(left, side);
  section.append(chips, stage);
  select(cart.policy);
  takeHands(canvas, cart);
  let before = 0;
  const frame = (now) => {
    // Real time at 50 steps a second; a tab in the background does not catch up.
    const due = Math.min(Math.floor((now - before) / 20), 5);
    if (due > 0) {
      before = now - ((now - before) % 20);
      for (let k = 0; k < due && !cart.paused; k++) cart.step();
      count.replaceChildren(String(cart.steps), element("small", "", ` steps, longest ${cart.longest}`));
      bars.show(cart.q, cart.action);
      drawCartPole(canvas, cart);
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** Arrow keys, mouse and touch become `cart.hand`, -1 to 1. */
function takeHands(canvas, cart) {
  const direction = { ArrowLeft: -1, ArrowRight: 1 };
  addEventListener("keydown", (event) => {
    if (!(event.key in direction) || event.target.type === "range") return;
    cart.hand = direction[event.key];
    event.preventDefault();
  });
  addEventListener("keyup", (event) => {
    if (event.key in direction) cart.hand = 0;
  });
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width - 0.5) * 6;
    cart.hand = Math.sign(x - cart.state[0]);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    point(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && point(event));
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (cart.hand = 0));
  addEventListener("blur", () => (cart.hand = 0));
}

function drawCartPole(canvas, cart) {
  const [width, height] = [canvas.clientWidth, Math.round(canvas.clientWidth * 0.52)];
  const ratio = Math.min(devicePixelRatio || 1, 2);
  if (canvas.width !== width * ratio) {
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
  }
  const c = canvas.getContext("2d");
  const metre = width / 6;
  const rail = height - 0.55 * metre;
  const [x, , angle] = cart.state;
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  c.lineCap = "round";
  const line = (color, thickness, ...points) => {
    [c.strokeStyle, c.lineWidth] = [color, thickness];
    c.beginPath();
    for (const [px, py] of points) c.lineTo(width / 2 + px * metre, rail - py * metre);
    c.stroke();
  };
  line(color("--line"), 2, [-2.9, 0], [2.9, 0]);
  for (const end of [-2.4, 2.4]) line(color("--faint"), 2, [end, -0.12], [end, 0.12]);
  c.fillStyle = cart.fallen ? color("--faint") : color("--ink");
  c.beginPath();
  c.roundRect(width / 2 + (x - 0.32) * metre, rail - 0.2 * metre, 0.64 * metre, 0.26 * metre, 0.05 * metre);
  c.fill();
  // A long pole is drawn shorter, so that it stays in the picture.
  const shown = Math.min(cart.physics.poleLength, 2.2);
  line(color("--strong"), 0.1 * metre, [x, 0.12], [x + shown * Math.sin(angle), 0.12 + shown * Math.cos(angle)]);
  const force = cart.action === 1 ? 1 : -1;
  arrow(line, x + 0.42 * force, -0.22, 0.28 * force, color("--faint"));
  if (cart.hand && !cart.manual) arrow(line, x - 0.9 * cart.hand, 0.05, 0.42 * cart.hand, color("--second"));
  c.fillStyle = color("--soft");
  c.font = "13px system-ui, sans-serif";
  const text = cart.fallen ? "fallen" : cart.steps >= TIME_LIMIT ? `stands beyond ${TIME_LIMIT} steps` : "";
  c.fillText(text, 12, 22);
}

function arrow(line, x, y, length, ink) {
  const tip = x + length;
  const back = tip - 0.09 * Math.sign(length);
  line(ink, 3, [x, y], [tip, y]);
  line(ink, 3, [back, y + 0.07], [tip, y], [back, y - 0.07]);
}
