"""Every code that reading a file can end with: one catalogue, permanent numbers, texts in both languages.

A number never changes its meaning and is never given again. ING060 to ING079 belong to checks of division codes, check digits and
corrections sent back. CON codes are those of the contracts (`returnrisk.contracts`): they are listed here so that one place explains
every code a quarantine can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from returnrisk.errors import UnknownNameError

Effect = Literal["stops", "quarantines", "duplicate", "set_aside", "recovers", "notice"]
"""stops: nothing is ingested, the store stays · quarantines: the row waits for its office · duplicate: the row repeats another ·
set_aside: not a row of data, counted apart · recovers: read as it was meant, and counted · notice: read (or left out) and said so."""


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of dirt: its permanent number, a short name, what it does to a file or row, and what a person reads."""

    code: str
    dirt: str
    effect: Effect
    text_zh: str
    text_en: str


_CATALOGUE = (
    # files that cannot be read
    ("ING001", "empty_file", "stops", "文件为空", "the file is empty"),
    ("ING002", "unknown_encoding", "stops", "文字编码无法识别", "the text is in no known encoding"),
    ("ING003", "unknown_kind", "stops", "不支持的文件类型", "files of this kind are not read"),
    ("ING004", "damaged_file", "stops", "文件已损坏", "the file is damaged"),
    ("ING005", "unknown_table", "stops", "文件名对应不上任何（或对应多张）数据表", "the file's name fits no table, or several"),
    ("ING006", "no_header", "stops", "找不到表头", "no header was found"),
    ("ING007", "missing_column", "stops", "缺少必填列", "a required column is missing"),
    ("ING008", "column_twice", "stops", "同一字段有多列", "several columns claim one field"),
    ("ING009", "lost_file", "stops", "曾入库的文件已不在收件箱", "a file that fed the store is no longer in the inbox"),
    ("ING010", "missing_table", "stops", "缺少必需的数据表", "a table nothing can do without is missing"),
    # rows that wait for their office
    ("ING011", "unreadable_value", "quarantines", "无法按应有类型读取", "cannot be read as what it should be"),
    ("ING012", "unknown_label", "quarantines", "不在代码表内", "is not in the code list"),
    ("ING013", "two_digit_year", "quarantines", "年份只有两位", "the year has two digits"),
    ("ING014", "malformed_id", "quarantines", "编号格式不符", "the identifier is malformed"),
    ("ING015", "id_as_number", "quarantines", "编号按数字存储，末位已丢失", "the identifier is stored as a number: its last digits are lost"),
    ("ING016", "conflicting_rows", "quarantines", "同一主键同日登记的内容互相矛盾", "contradicts another row of the same key and recording day"),
    ("ING017", "id_15_digits", "quarantines", "15位旧身份证号", "an identity number of the old 15 digits"),
    ("ING018", "wrong_cell_count", "quarantines", "单元格数与表头不一致", "another number of cells than the header"),
    ("ING019", "other_county", "quarantines", "属于其他县", "belongs to another county"),
    ("ING020", "half_delivered", "quarantines", "该期数据不全，不计为已送达", "the period is half delivered and does not count as delivered"),
    # rows that are no data, or no news
    ("ING021", "duplicate_row", "duplicate", "与另一行完全相同", "repeats another row exactly"),
    ("ING022", "blank_row", "set_aside", "空行", "a blank row"),
    ("ING023", "total_row", "set_aside", "合计、小计行", "a row of totals"),
    ("ING024", "note_row", "set_aside", "标题、说明、填表人等文字行", "a row of title, notes or signatures"),
    ("ING025", "repeated_header", "set_aside", "表中重复的表头行", "the header again, among the rows"),
    ("ING026", "hidden_sheet", "notice", "隐藏的工作表，未读取", "a hidden sheet: not read"),
    # dirt that is read as it was meant
    ("ING027", "other_encoding", "recovers", "非UTF-8编码（GB18030或UTF-16）", "text in GB18030 or UTF-16"),
    ("ING028", "other_delimiter", "recovers", "以制表符或分号分隔", "cells separated by tabs or semicolons"),
    ("ING029", "rows_above_header", "recovers", "表头上方有标题或说明", "titles or notes above the header"),
    ("ING030", "header_levels", "recovers", "多级或合并的表头", "a header over several rows"),
    ("ING031", "merged_cells", "recovers", "合并的单元格，已逐行填充", "merged cells: filled down"),
    ("ING032", "full_width", "recovers", "全角字符或特殊空格", "full-width characters or odd spaces"),
    ("ING033", "thousands_or_currency", "recovers", "千分位或货币符号", "thousands separators or signs of currency"),
    ("ING034", "scaled_unit", "recovers", "以万元、千元等为单位，已换算", "amounts in another unit (万元): converted"),
    ("ING035", "placeholder", "recovers", "以“—”“/”“无”等表示空值", "a sign for a missing value"),
    ("ING036", "negative_in_brackets", "recovers", "以括号表示负数", "a negative number in brackets"),
    ("ING037", "percent", "recovers", "百分数", "a percentage"),
    ("ING038", "other_date_form", "recovers", "日期写法不同（2023.5、20230501、2024年6月1日）", "a date written otherwise (2023.5, 20230501, 2024年6月1日)"),
    ("ING039", "date_serial", "recovers", "日期按序列号存储", "a date stored as a serial number"),
    ("ING040", "yes_no_sign", "recovers", "以√、×等表示是否", "yes or no given by a sign"),
    ("ING041", "label_spelling", "recovers", "代码名称的写法不同", "a label spelt with other spaces, brackets or width"),
    ("ING042", "id_spelling", "recovers", "编号含空格、撇号或小写x", "an identifier with spaces, an apostrophe or a lower-case x"),
    ("ING043", "renamed_column", "recovers", "列名写法不同", "a column header spelt otherwise"),
    ("ING044", "extra_column", "notice", "多余的列，未入库", "a column nobody asked for: dropped"),
    ("ING045", "two_names", "notice", "同一编号对应两个姓名", "two names for one number"),
    # rows that wait, continued
    ("ING046", "ambiguous_month", "quarantines", "“2023.1”无法区分1月与10月", "2023.1 may be January or October"),
    ("ING047", "serial_without_epoch", "quarantines", "日期序列号，但文件未说明起算年", "a date serial in a file that does not tell its epoch"),
    ("ING048", "merged_amount", "quarantines", "金额单元格跨多行合并，无法分摊", "one amount merged over several rows"),
    ("ING049", "unclear_unit", "stops", "金额单位不明确", "the unit of amounts is not clear"),
    ("ING050", "sheet_without_table", "notice", "非数据工作表（说明等），未读取", "a sheet that holds no rows of the table: not read"),
    ("ING051", "source_mapping", "notice", "按来源映射读取", "read through a source's mapping"),
    ("ING052", "unit_not_stated", "quarantines", "此处未注明单位，而同一文件别处注明了另一单位（如万元）", "its unit is not stated, while the same file states another one (such as 万元) elsewhere"),
    ("ING053", "hidden_rows_or_columns", "recovers", "隐藏的行或列，已照常读取", "hidden rows or a hidden column: read like the others"),
    # identity numbers and division codes
    ("ING060", "wrong_check_digit", "quarantines", "身份证号校验码不符", "the identity number's check digit is wrong"),
    ("ING062", "impossible_id_date", "quarantines", "身份证号中的出生日期不可能", "the birth date inside the identity number is impossible"),
    ("ING063", "unknown_id_division", "quarantines", "身份证号前两位不是任何省级代码", "the identity number begins with no province's code"),
    ("ING065", "replaced_division", "recovers", "旧区划代码，已换成现行代码", "a former division code: replaced by its successor"),
    ("ING066", "unknown_division", "notice", "区划代码表中没有的代码", "codes that the table of divisions does not hold"),
    # corrections sent back
    ("ING070", "row_not_quarantined", "notice", "更正所指的行不在隔离中，更正未采用", "the correction is for a row that was not quarantined: not applied"),
    ("ING071", "file_replaced", "notice", "更正所指的文件已被替换或移走，更正未采用", "the corrected file has been replaced or removed since: not applied"),
    ("ING072", "contradictory_corrections", "notice", "同一行有互相矛盾的更正，均未采用", "corrections of one row contradict each other: none applied"),
    ("ING073", "other_columns", "notice", "更正单的列与原文件不同，更正未采用", "the columns differ from the original file's: not applied"),
    # the contracts' own
    ("CON001", "required_empty", "quarantines", "必填项为空", "a required value is missing"),
    ("CON002", "value_not_listed", "quarantines", "不在代码表内", "is not in the code list"),
    ("CON003", "out_of_range", "quarantines", "超出范围", "is out of range"),
    ("CON004", "wrong_form", "quarantines", "格式不符", "is not of the stated form"),
    ("CON005", "key_not_unique", "stops", "主键重复", "the key is not unique"),
    ("CON006", "orphan_row", "quarantines", "所指的户、人或村不存在", "refers to a row that was not accepted"),
    ("CON007", "fields_contradict", "quarantines", "两个字段互相矛盾", "two fields contradict each other"),
    ("CON008", "wrong_columns", "stops", "列缺失或类型不符", "a column is missing, unknown or of another type"),
)  # fmt: skip

CODES: dict[str, Code] = {entry[0]: Code(*entry) for entry in _CATALOGUE}  # type: ignore[arg-type]
"""Every code by its number."""


def code(number: str) -> Code:
    """The catalogue's entry.

    Raises
    ------
    UnknownNameError
        No such code.

    Examples
    --------
    >>> code("ING023").text_zh
    '合计、小计行'
    >>> code("ING999")
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown code 'ING999'; did you mean ...
    """
    if number not in CODES:
        raise UnknownNameError("code", number, CODES)
    return CODES[number]


def stop(number: str, where: str, detail: str) -> str:
    """The message of a file that stops the run: file, code, both texts, and what to do.

    Examples
    --------
    >>> stop("ING001", "收入台账.csv", "a delivered file needs at least its header")
    '收入台账.csv: ING001 文件为空 / the file is empty: a delivered file needs at least its header'
    """
    entry = code(number)
    return f"{where}: {number} {entry.text_zh} / {entry.text_en}: {detail}"
