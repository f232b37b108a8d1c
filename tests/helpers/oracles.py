"""Reference implementations in NumPy and float64, written as loops from the equations of the papers."""

import math

import numpy as np


def softmax(x):
    e = np.exp(np.asarray(x, np.float64) - np.max(x))
    return e / e.sum()


def softmax_rows(rows):
    return np.array([softmax(row) for row in rows])


def project(atoms, probabilities, support):
    """Algorithm 1 of arXiv:1707.06887, one transition."""
    support = np.asarray(support, np.float64)
    spacing = support[1] - support[0]
    mass = np.zeros(len(support))
    for atom, p in zip(atoms, probabilities, strict=True):
        b = (np.clip(atom, support[0], support[-1]) - support[0]) / spacing
        b = min(max(b, 0.0), len(support) - 1)
        lower, upper = math.floor(b), math.ceil(b)
        if lower == upper:
            mass[lower] += p
        else:
            mass[lower] += p * (upper - b)
            mass[upper] += p * (b - lower)
    return mass


def normal_below(x, mean, sigma):
    return 0.5 * (1 + math.erf((x - mean) / (sigma * math.sqrt(2))))


def gaussian_histogram(value, support, sigma):
    """Masses of a normal distribution in each bin, truncated at the outer edges."""
    spacing = support[1] - support[0]
    value = min(max(value, support[0]), support[-1])
    mass = [
        normal_below(z + spacing / 2, value, sigma) - normal_below(z - spacing / 2, value, sigma)
        for z in support
    ]
    return np.array(mass) / sum(mass)


def quantile_huber(predicted, levels, target, kappa):
    """Equations 9 and 10 of arXiv:1710.10044, one transition."""
    total = 0.0
    for theta, tau in zip(predicted, levels, strict=True):
        for t in target:
            u = t - theta
            huber = u * u / 2 if abs(u) <= kappa else kappa * (abs(u) - kappa / 2)
            total += abs(tau - (u < 0)) * huber / kappa / len(target)
    return total


def munchausen_target(reward, discount, q, next_q, action, alpha, temperature, log_policy_min):
    """Equation 2 of arXiv:2007.14430 with the clipping of its section 2.1, one transition."""
    policy, next_policy = softmax(q / temperature), softmax(next_q / temperature)
    bonus = np.clip(temperature * np.log(policy[action]), log_policy_min, 0.0)
    value = 0.0
    for p, q_next in zip(next_policy, next_q, strict=True):
        if p > 0:
            value += p * (q_next - temperature * np.log(p))
    return reward + alpha * bonus + discount * value
