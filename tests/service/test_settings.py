"""Settings come from the environment, and weak ones are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_variables_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKLINE_PORT", "9000")
    monkeypatch.setenv("TRACKLINE_MODELS", "yolo26n, yolo11n")
    monkeypatch.setenv("TRACKLINE_API_KEYS", f"{'x' * 20},{'y' * 20}")
    settings = Settings()
    assert settings.port == 9000
    assert settings.models == ("yolo26n", "yolo11n")
    assert [key.get_secret_value()[0] for key in settings.api_keys] == ["x", "y"]
    assert "xxxx" not in repr(settings)


@pytest.mark.parametrize("key", ["short", "changeme-changeme-changeme", "Example-Key-0123456789"])
@pytest.mark.parametrize("name", ["api_keys", "admin_key"])
def test_weak_keys_and_placeholders_are_refused(name: str, key: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand"):
        Settings.model_validate({name: key})


@pytest.mark.parametrize(
    "wrong", [{"port": 70000}, {"max_image_bytes": 0}, {"image_share": 1.0}, {"log_level": "loud"}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_no_more_models_at_start_than_allowed() -> None:
    with pytest.raises(ValidationError, match="max_models"):
        Settings(models=("a", "b"), max_models=1)


def test_every_setting_is_described_and_every_limit_is_listed() -> None:
    fields = Settings.model_fields
    assert all(field.description for field in fields.values())
    limits = Settings().limits()
    assert {name for name in fields if name.startswith("max_")} <= limits.keys()
    assert "api_keys" not in limits


def test_sessions_and_jobs_can_never_fill_the_queue_of_a_model() -> None:
    settings = Settings(max_sessions=3, max_running_jobs=1, frames_in_flight=5)
    assert settings.frame_queue == 20
