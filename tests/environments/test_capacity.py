from bulb.environments.capacity import Machine, environments, look, memory_is_low

GB = 1024**3


def test_the_scarcest_resource_decides() -> None:
    plenty = Machine(memory=64 * GB, descriptors=1_000_000, processes=4_000_000)
    assert environments(plenty) == (64 - 1) * 128
    assert environments(Machine(64 * GB, 20_000, 4_000_000)) == (20_000 - 512) // 9
    assert environments(Machine(99 * GB, 1_000_000, 32_768)) == 8_192
    assert environments(Machine(GB // 2, 256, 100)) == 1


def test_this_machine_has_room() -> None:
    assert environments(look()) >= 1
    assert memory_is_low() in (True, False)
