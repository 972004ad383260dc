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
    assert rt.model("a") is rt.model("a")
    assert rt.model("b") is not rt.model("a")
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
    rt.model("slow")
    assert told == ["slow"]


def test_map_is_the_one_injected():
    assert list(runtime([], []).map(abs, [-1, 2], 1)) == [1, 2]


def test_a_student_is_asked_for_once_even_where_there_is_none():
    asked = []
    students = {"a": object()}

    def load_student(name):
        asked.append(name)
        return students.get(name)

    rt = JobRuntime(load=students.get, load_student=load_student, mapping=map, warn=print)
    assert rt.student("a") is students["a"] is rt.student("a")
    assert rt.student("b") is None
    assert rt.student("b") is None
    assert asked == ["a", "b"]


def test_without_a_loader_there_is_no_student():
    assert runtime([], []).student("a") is None


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
