"""What does one step of experience hold?"""

from typing import NamedTuple

import jax


class Transition(NamedTuple):
    """One step in one world, or many under any leading axes `...`.

    There is no `done`. What the future is worth is arithmetic on `discount`; that
    the next row belongs to another episode is said by `finished`.
    """

    obs: jax.Array
    """`[..., *obs]`, what the action was chosen from."""
    action: jax.Array
    """`[...]` integer in `[0, A)`."""
    reward: jax.Array
    """`[...]` float32; of n steps, their discounted sum."""
    discount: jax.Array
    """`[...]` float32, `gamma * (1 - terminated)`: zero only where the world ended, not where a clock did."""
    finished: jax.Array
    """`[...]` bool, `terminated | truncated`: where a fold over time must stop."""
    next_obs: jax.Array
    """`[..., *obs]`, what followed, *before* any reset."""
