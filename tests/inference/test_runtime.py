from videnhance.inference.runtime import JobRuntime


def runtime(loaded, told):
    def load(name):
        loaded.append(name)
        return object()

    return JobRuntime(
        load=load, mapping=lambda function, items, workers: map(function, items), warn=told.append
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


def test_map_is_the_one_injected():
    assert list(runtime([], []).map(abs, [-1, 2], 1)) == [1, 2]
