from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examiner.test_examiner import ExamRunner


@pytest.fixture(scope="module")
def examine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExamRunner]:
    examine = ExamRunner(tmp_path_factory.mktemp("submission"))
    yield examine
    examine.grader.close()
