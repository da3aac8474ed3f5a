import pytest

from ingest.masking import mask_email, mask_name, mask_phone, mask_text


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
        ("证件33068119900101123Ｘ", "证件330*************3X"),
        ("身份证 330681 19900101 123X", "身份证 330*************3X"),
        ("卡号6222021234567890128到账", "卡号622**************28到账"),  # 19 places
        ("卡6222 0212 3456 7890 128", "卡622**************28"),
        ("Visa 4111-1111-1111-1111", "Visa 411***********11"),
        ("单号6222021234567890129", "单号6222021234567890129"),  # no card's: its last digit is wrong
        ("邮箱zhang.san@qq.com，请回", "邮箱z***@qq.com，请回"),
        ("13812345678@163.com", "1***@163.com"),
        ("mail me＠mail.example.cn.", "mail m***@mail.example.cn."),
        ("同330681001001001-20261121-ab12cd34一案", "同330681001001001-20261121-ab12cd34一案"),
        ("两个号13812345678、13912345678", "两个号138****5678、139****5678"),
    ],
)
def test_numbers_of_persons_are_hidden(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_names_and_phones() -> None:
    assert [mask_name(name) for name in ("张三丰", " 李四 ", "", None)] == ["张**", "李**", None, None]
    assert [mask_phone(phone) for phone in ("13812345678", "110", "", None)] == ["138****5678", "****", None, None]
    assert [mask_email(text) for text in ("z.san@qq.com", "nobody", " ", None)] == ["z***@qq.com", "***", None, None]


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    """Twenty thousand characters of what might become an address or a number are looked through at once."""
    for text in ("a" * 20_000, "a." * 10_000, "a@" * 10_000, "1 " * 10_000, "6222 " * 4_000):
        assert mask_text(text) == text or "*" in str(mask_text(text))
