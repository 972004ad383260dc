from videnhance.inference.runtime import JobRuntime


def runtime(loaded, told):
    def load(name):
        loaded.append(name)
        return object()

    return JobRuntime(
        load=load, mapping=lambda function, items, *most: map(function, items), warn=told.append
    )


def test_a_model_is_loaded_once():
    loaded = []
    rt = runtime(loaded, [])
    assert rt.network("a") is rt.network("a")
    assert rt.network("b") is not rt.network("a")
    assert loaded == ["a", "b"]


def test_a_sentence_is_told_once():
    told = []
    rt = runtime([], told)
    rt.warn("one")
    rt.warn("two")
    rt.warn("one")
    assert told == ["one", "two"]


def test_what_loads_may_warn():
    told = []
    rt = JobRuntime(load=lambda name: rt.warn(name) or object(), mapping=map, warn=told.append)
    rt.network("slow")
    assert told == ["slow"]


def test_map_is_the_one_injected():
    assert list(runtime([], []).map(abs, [-1, 2], 1)) == [1, 2]


class Heard:
    def __init__(self):
        self.notes = []

    def count(self, name, pts, amount):
        self.notes.append(("count", name, pts, amount))

    def record(self, name, pts, value):
        self.notes.append(("record", name, pts, value))


def test_notes_go_to_the_sink():
    heard = Heard()
    rt = JobRuntime(load=print, mapping=map, warn=print, notes=heard)
    rt.count("repeats", 40)
    rt.count("pixels", 80, 12.5)
    rt.record("cuts", 120, 31.0)
    assert heard.notes == [
        ("count", "repeats", 40, 1.0),
        ("count", "pixels", 80, 12.5),
        ("record", "cuts", 120, 31.0),
    ]


def test_without_a_sink_notes_trouble_nobody():
    loaded, told = [], []
    rt = runtime(loaded, told)
    assert rt.count("repeats", 40) is None
    assert rt.record("cuts", 120, 31.0) is None
    assert loaded == told == []
