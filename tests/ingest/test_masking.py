import pytest

from ingest.masking import mask_name, mask_phone, mask_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13812345678请回", "电话138****5678请回"),
        ("打 138 1234 5678", "打 138****5678"),
        ("+86-138-1234-5678", "861****5678"),
        ("座机0575-87654321", "座机057****4321"),
        ("证件33068119900101123X。", "证件330*************3X。"),
        ("330681900101123", "330**********23"),
        ("call 312-555-0123", "call 312****0123"),
        ("电话１３８１２３４５６７８", "电话138****5678"),
        ("第12楼3单元401室，2026-11-21 10:30", "第12楼3单元401室，2026-11-21 10:30"),
        ("井盖编号3306810101000001", "井盖编号3306810101000001"),
    ],
)
def test_numbers_of_persons_are_hidden(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_names_and_phones() -> None:
    assert [mask_name(name) for name in ("张三丰", " 李四 ", "", None)] == ["张**", "李**", None, None]
    assert [mask_phone(phone) for phone in ("13812345678", "110", "", None)] == ["138****5678", "****", None, None]
