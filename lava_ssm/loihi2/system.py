"""Systems with Loihi 2 chips."""

from dataclasses import dataclass

from lava_ssm.numerics import integer, one_of


@dataclass(frozen=True)
class System:
    """A board or a rack; `cores_per_chip` are those that Lava can use, of 128.

    Raises
    ------
    ValueError
        A number that is no integer of at least 1.
    """

    name: str
    n_chips: int
    cores_per_chip: int = 120

    def __post_init__(self) -> None:
        for name in ("n_chips", "cores_per_chip"):
            object.__setattr__(self, name, integer(getattr(self, name), name, 1))

    @property
    def n_cores(self) -> int:
        """All cores."""
        return self.n_chips * self.cores_per_chip


SYSTEMS = {
    s.name: s
    for s in (
        System("oheo-gulch", 1),
        System("kapoho-point", 8),
        System("alia-point", 128),
        System("hala-point", 1152),
    )
}
"""By name (vendor's figures)."""


def find_system(system: "str | System") -> System:
    """Give the system of that name; a ValueError if there is none."""
    if isinstance(system, System):
        return system
    one_of(system, SYSTEMS, "system")
    return SYSTEMS[system]
