"""Unicode's scripts, which SentencePiece's training keeps apart."""

from __future__ import annotations

from functools import lru_cache

import regex

CODES = """
Adlm Aghb Ahom Arab Armi Armn Avst Bali Bamu Bass Batk Beng Bhks Bopo Brah Brai Bugi Buhd Cakm Cans Cari Cham Cher
Chrs Copt Cpmn Cprt Cyrl Deva Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Geor Glag Gong Gonm Goth Gran Grek Gujr Guru
Hang Hani Hano Hatr Hebr Hira Hluw Hmng Hmnp Hung Ital Java Kali Kana Kawi Khar Khmr Khoj Kits Knda Kthi Lana Laoo
Latn Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Mlym Modi Mong Mroo Mtei Mult
Mymr Nagm Nand Narb Nbat Newa Nkoo Nshu Ogam Olck Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli Phlp Phnx Plrd
Prti Rjng Rohg Runr Samr Sarb Saur Sgnw Shaw Shrd Sidd Sind Sinh Sogd Sogo Sora Soyo Sund Sylo Syrc Tagb Takr Tale
Talu Taml Tang Tavt Telu Tfng Tglg Thaa Thai Tibt Tirh Tnsa Toto Ugar Vaii Vith Wara Wcho Xpeo Xsux Yezi Yiii Zanb
Zinh
"""
"""Those of Unicode 15, by their codes. What has none of them is common to all scripts: digits, marks, emoji."""

_SCRIPT = regex.compile("|".join(rf"(?P<{code}>\p{{Script={code}}})" for code in CODES.split()))


@lru_cache(maxsize=1 << 16)
def script(character: str) -> str:
    """Its script; Japanese is written in one, that of Chinese characters, Hiragana and Katakana."""
    found = _SCRIPT.match(character)
    code = found.lastgroup if found else "Zyyy"
    return "Hani" if code in ("Hira", "Kana") or character == "\u30fc" else str(code)


def one_script(text: str, besides: str) -> bool:
    """Whether all characters but `besides` are of one script; those that inherit theirs have that of the one before."""
    scripts = {script(character) for character in text if character != besides}
    return len(scripts - {"Zinh"}) < 2
