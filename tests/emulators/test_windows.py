from tests.emulators.windows import Window


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_window_allows_its_limit_and_then_tells_how_long_to_wait() -> None:
    clock = Clock()
    window = Window(2, 60, now=clock)
    assert window.take() == 0.0
    clock.now += 20
    assert window.take() == 0.0
    assert window.take() == 40.0
    clock.now += 40
    assert window.take() == 0.0
    assert window.take() == 20.0


def test_refused_takes_are_not_counted() -> None:
    clock = Clock()
    window = Window(1, 5, now=clock)
    window.take()
    for _ in range(10):
        assert window.take() == 5.0
    clock.now += 5
    assert window.wait() == 0.0
    assert window.take() == 0.0
