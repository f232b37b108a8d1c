"""Constants of Lux AI Season 1, as the official engine has them, and of the decisions of `decision.make`."""

WOOD, COAL, URANIUM = 1, 2, 3
"""Kinds of resources; 0 is none."""

STAY, NORTH, EAST, SOUTH, WEST, BUILD_CITY = range(6)
"""Actions of a worker."""
REST, BUILD_WORKER, RESEARCH = range(3)
"""Actions of a city tile."""

DAY_LENGTH, NIGHT_LENGTH = 30, 10
CYCLE = DAY_LENGTH + NIGHT_LENGTH
"""Turns."""
MAX_TURNS = 360

COLLECTION_RATE = {WOOD: 20, COAL: 5, URANIUM: 2}
"""Units that a worker takes from one cell in a turn, at most."""
FUEL = {WOOD: 1, COAL: 10, URANIUM: 40}
"""Fuel of a unit of a resource."""
RESEARCH_POINTS = {WOOD: 0, COAL: 50, URANIUM: 200}
"""Points from which a resource can be collected."""
MAX_GROWING_WOOD = 500
"""Wood grows by 1/40 a turn, rounded up, to this amount."""

CAPACITY = 100
"""Cargo of a worker."""
CITY_COST = 100
WORKER_UPKEEP = 4
CITY_UPKEEP, ADJACENCY_BONUS = 23, 5
"""Fuel a night turn: of a city tile, and less for each adjacent tile of the team."""
WORKER_COOLDOWN, CITY_COOLDOWN = 2, 10
"""Turns; a worker's is doubled at night."""

MAX_WORKERS = 16
"""Of a team; the engine has no limit."""
RADIUS = 5
"""Cells that a worker sees in each direction."""
MOST_NIGHTS = 10
"""Nights of fuel up to which a worker sees a difference."""

BRING_WOOD, BRING_COAL, BRING_URANIUM, RELIEVE, SETTLE, FOUND, SHELTER = ORDERS = range(7)
"""Orders to a worker, which a policy chooses: collect wood, coal or uranium and bring it to the nearest city; bring the
nearest resource to the city whose fuel lasts for the fewest turns of night; build with it a city tile beside a city, or
beside a resource; go to the nearest city. With a full cargo, at night from `ENOUGH` on unless it is to build, a worker
goes to the city or to the cell to build on; where there is none, or no way of less than twice the size of the board, to
the nearest city."""
NO_ORDER = len(ORDERS)
TASKS = (BRING_WOOD, BRING_COAL, BRING_URANIUM, RELIEVE), (SETTLE, FOUND)
"""Orders to bring fuel to a city, and to build a city tile."""
MOST_TILES = 64
"""City tiles up to which a worker sees a difference."""
ENOUGH = CAPACITY - NIGHT_LENGTH * WORKER_UPKEEP
"""Cargo from which a worker goes to its city at night: what a night outside leaves of 100 wood."""
GOALS = (
    "wood",
    "coal",
    "uranium",
    "known resource",
    "city",
    "poorest city",
    "edge of a city",
    "edge of a resource",
)
"""Where orders lead. Known: research allows to collect it. Poorest: its fuel lasts for the fewest turns of night. Edge:
an empty cell beside it; as long as none is beside a city, any empty cell is an edge of a city."""
COLLECT = "wood", "coal", "uranium", "known resource", "known resource", "known resource", "city"
"""The goal of each order while it collects."""
DELIVER = "city", "city", "city", "poorest city", "edge of a city", "edge of a resource", "city"
"""The goal of each order with a full cargo, at night from `ENOUGH` on unless it is to build;
without a way to it, the city."""
