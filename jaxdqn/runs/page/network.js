// Forward pass of a trained network: action values of an observation.
"use strict";

/** The float32 numbers of a base64 text, little-endian. */
function decodeWeights(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** `(obs) => q`, from the layers of `network` and the weights of one policy in the order of the layers. */
function makeNetwork(network, weights) {
  let position = 0;
  const next = (size) => weights.subarray(position, (position += size));
  const bind = (layer) => ({
    ...layer,
    kernel: next(layer.inputs * layer.outputs),
    bias: next(layer.outputs),
    normScale: layer.norm ? next(layer.outputs) : null,
    normBias: layer.norm ? next(layer.outputs) : null,
  });
  const torso = network.torso.map(bind);
  const embedding = network.embedding ? bind(network.embedding) : null;
  const streams = network.streams.map((stream) => stream.map(bind));
  if (position !== weights.length) throw new Error("The weights do not fit the network.");

  // `atoms[a]` are the values, logits or quantiles of action a.
  const head = (features) => {
    const outputs = streams.map((stream) => stream.reduce(applyLayer, features));
    const advantage = split(outputs.at(-1), network.actions);
    return outputs.length === 1 ? advantage : duel(outputs[0], advantage);
  };
  return (obs) => {
    const scaled = obs.map((x, i) => x * network.scale[i]);
    const features = torso.reduce(applyLayer, scaled);
    if (!embedding) return head(features).map((atoms) => expectation(atoms, network));
    const samples = midpoints(network.levels).map((level) => {
      const cosines = Array.from({ length: embedding.inputs }, (_, i) => Math.cos(Math.PI * i * level));
      const factor = applyLayer(cosines, embedding);
      return head(features.map((x, i) => x * factor[i])).map((atoms) => atoms[0]);
    });
    return samples[0].map((_, action) => mean(samples.map((q) => q[action])));
  };
}

/** `x W + b`, then LayerNorm and ReLU if the layer has them. */
function applyLayer(x, layer) {
  let y = Array.from(layer.bias);
  for (let i = 0; i < layer.inputs; i++) {
    for (let j = 0; j < layer.outputs; j++) y[j] += x[i] * layer.kernel[i * layer.outputs + j];
  }
  if (layer.norm) {
    const centre = mean(y);
    const variance = mean(y.map((value) => (value - centre) ** 2));
    const factor = 1 / Math.sqrt(variance + 1e-6);
    y = y.map((value, j) => (value - centre) * factor * layer.normScale[j] + layer.normBias[j]);
  }
  return layer.relu ? y.map((value) => Math.max(value, 0)) : y;
}

/** `q(a) = v + advantage(a) - mean_a advantage(a)`, for each atom. */
function duel(value, advantage) {
  const average = value.map((_, z) => mean(advantage.map((atoms) => atoms[z])));
  return advantage.map((atoms) => atoms.map((x, z) => value[z] + x - average[z]));
}

/** The action value: the mean of a histogram over the support, the mean of quantiles, or the number itself. */
function expectation(atoms, network) {
  if (network.support) {
    const largest = Math.max(...atoms);
    const masses = atoms.map((logit) => Math.exp(logit - largest));
    const total = masses.reduce((sum, mass) => sum + mass, 0);
    return masses.reduce((sum, mass, z) => sum + mass * network.support[z], 0) / total;
  }
  return network.mean ? mean(atoms) : atoms[0];
}

function split(values, parts) {
  const size = values.length / parts;
  return Array.from({ length: parts }, (_, k) => values.slice(k * size, (k + 1) * size));
}

function midpoints(count) {
  return Array.from({ length: count }, (_, i) => (i + 0.5) / count);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The largest difference between `q(obs)` and the expected values, relative where they are above 1. */
function largestError(q, observations, expected) {
  const errors = observations.flatMap((obs, k) =>
    q(obs).map((value, a) => Math.abs(value - expected[k][a]) / Math.max(1, Math.abs(expected[k][a]))),
  );
  return errors.some(Number.isNaN) ? NaN : Math.max(...errors);
}
