"""Words that the cards of several layers share, in both languages."""

from datetime import datetime

from layers.contract import Fact, Title

SEVERITIES = {
    1: Title("特别严重", "Critical"),
    2: Title("严重", "Severe"),
    3: Title("较重", "Moderate"),
    4: Title("一般", "Minor"),
}
ALERT_LEVELS = {
    1: Title("红色", "Red"),
    2: Title("橙色", "Orange"),
    3: Title("黄色", "Yellow"),
    4: Title("蓝色", "Blue"),
}
EXERCISE = Title("演练", "EXERCISE")
CHANNELS = {
    "grid_worker": Title("网格员", "Grid worker"),
    "hotline": Title("热线", "Hotline"),
    "app": Title("手机应用", "App"),
    "video": Title("视频", "Video"),
    "iot": Title("物联网", "Sensor"),
    "superior": Title("上级交办", "From above"),
    "patrol": Title("巡查", "Patrol"),
    "window": Title("窗口", "Service window"),
}
PLACE = Title("位置", "Place")
OBSERVED = Title("观测时间", "Observed")
OFFLINE = Title("离线", "Offline")
NO_DATA = Title("无数据", "No data")
PIECES = Title("件", "cases")


def plain(text: str) -> Title:
    """Return a text that reads the same in both languages (a number, a code)."""
    return Title(text, text)


def tell_offline(at: datetime | None) -> list[Fact]:
    """Return the line of a card that says since when a device is out of reach; none for one within reach."""
    return [] if at is None else [Fact(Title("连接", "Connection"), OFFLINE, at=at, tone="warn")]


def measure(value: float | None, unit: str, digits: int = 0) -> Title:
    """Return a measured value with its unit, ready to read; "no data" for None."""
    if value is None:
        return NO_DATA
    return plain(f"{value:.{digits}f} {unit}".rstrip())
