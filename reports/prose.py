"""A reference's docstring as HTML: Markdown, with TeX as MathML. What comes out holds no markup that went in."""

from __future__ import annotations

import html
import inspect
import re
import xml.etree.ElementTree as ET

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from reports.text import visible

_ELEMENTS = re.compile(
    "math|mrow|mi|mo|mn|mtext|mspace|msup|msub|msubsup|munder|mover|munderover|mfrac|msqrt|mroot|mtable|mtr|mtd|mstyle"
    "|mpadded|mphantom|menclose|mmultiscripts|mprescripts|none"
)
_ATTRIBUTES = re.compile(
    "display|displaystyle|scriptlevel|stretchy|fence|form|separator|minsize|maxsize|symmetric|largeop|movablelimits"
    "|accent|accentunder|columnalign|rowalign|columnspacing|rowspacing|columnlines|rowlines|width|height|depth|lspace"
    "|rspace|linethickness|mathvariant|notation|linebreak"
)
_REWRITTEN = (
    (re.compile(r"\{(align|gather)ed\}"), r"{split}"),
    (re.compile(r"\\mathop\s*\{\s*\\(?:mathrm|rm|text)\s*(\{[^{}]*\})\s*\}"), r"\\operatorname*\1"),
    (re.compile(r"\\arg\s*(?:\\[,;: ])?\s*\\(max|min)(?![A-Za-z])"), r"\\operatorname*{arg\1}"),
)
_NAMED = re.compile(r"\\operatorname(\*?)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_LIMITS = frozenset(["max", "min", "sup", "inf", "lim", "limsup", "liminf", "argmax", "argmin", "det", "gcd", "Pr"])
"""Operators that take what stands below them in TeX below them in a displayed equation."""
_TEXT = re.compile(r"(\\(?:text|textrm|textbf|textit|mbox)\s*\{)([^{}]*)\}")


def math(tex: str, *, display: bool = False) -> Markup:
    """TeX as MathML, with only elements and attributes that draw; TeX that cannot be read is shown as it is written."""
    try:
        rewritten = tex
        for pattern, better in _REWRITTEN:
            rewritten = pattern.sub(better, rewritten)
        limits = set(_LIMITS)

        def named(found: re.Match[str]) -> str:
            # The converter takes the name for a word only if nothing but letters stands in it.
            name = re.sub(r"\\[,;:! ]|\\(?:text|mathrm|rm)(?![A-Za-z])|[{}\s]", "", found[2])
            if found[1]:
                limits.add(name)
            return rf"\operatorname{{{name}}}" if name.isalpha() else rf"\text{{{name}}}"

        rewritten = _NAMED.sub(named, rewritten)
        # The converter copies text as it is, so what XML would read as markup is escaped before.
        rewritten = _TEXT.sub(lambda found: f"{found[1]}{html.escape(found[2], quote=False)}}}", rewritten)
        tree = ET.fromstring(convert(rewritten, display="block" if display else "inline"))
        _clean(tree)
        _set_operators(tree, limits if display else set())
        return Markup(ET.tostring(tree, encoding="unicode"))  # built from the checked tree
    except Exception:  # the converter raises whatever it stumbles over
        return Markup('<code class="tex">{}</code>').format(visible(tex))


def _clean(tree: ET.Element) -> None:
    for element in tree.iter():
        name = element.tag.rsplit("}", 1)[-1]
        if not _ELEMENTS.fullmatch(name):
            raise ValueError(f"{name} does not draw mathematics")
        element.tag = name
        word = "".join((element.text or "").split())
        if name == "mo" and len(word) > 1 and word.isalpha():
            # The name of a function; as an operator it would be spaced like a plus sign.
            element.tag, element.text = "mi", word
        # A command that the converter does not know is mostly the name of a function.
        element.text = element.text.removeprefix("\\") if element.text else element.text
        if element.get("mathvariant") == "bold" and element.text:
            element.text = "".join(map(_bold, element.text))
        element.attrib = {key: value for key, value in element.attrib.items() if _ATTRIBUTES.fullmatch(key)}
    tree.set("xmlns", "http://www.w3.org/1998/Math/MathML")


_BELOW = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}


def _set_operators(tree: ET.Element, limits: set[str]) -> None:
    """Operators with a name: what they run over goes below those with limits, and their argument keeps its distance."""
    for parent in list(tree.iter()):
        children = list(parent)
        places = [place for place, child in enumerate(children) if _operator(child) is not None]
        for place in reversed(places):
            child, name = children[place], _operator(children[place]) or ""
            if child.tag in _BELOW and name in limits:
                child.tag = _BELOW[child.tag]
            after = children[place + 1] if place + 1 < len(children) else None
            if parent.tag in ("math", "mrow", "mtd") and after is not None and after.tag not in ("mo", "mspace"):
                parent.insert(place + 1, ET.Element("mspace", width="0.167em"))
    for element in tree.iter("mi"):
        if element.text in ("argmax", "argmin", "limsup", "liminf"):
            element.text = f"{element.text[:3]}\u2009{element.text[3:]}"


def _operator(element: ET.Element) -> str | None:
    """The name of the operator that this is, with or without what stands below and above it."""
    base = element[0] if element.tag in (*_BELOW, *_BELOW.values()) and len(element) else element
    return base.text if base.tag == "mi" and len(base.text or "") > 1 else None


def _bold(letter: str) -> str:
    """Browsers know bold mathematics as characters of their own only."""
    for first, last, bold in (("A", "Z", 0x1D400), ("a", "z", 0x1D41A), ("0", "9", 0x1D7CE)):
        if first <= letter <= last:
            return chr(bold + ord(letter) - ord(first))
    return letter


def _renderer() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    dollarmath_plugin(
        markdown, double_inline=True, renderer=lambda tex, options: math(tex.strip(), display=options["display_mode"])
    )
    # A link leads out to the web or it is no link.
    markdown.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]
    return markdown


_MARKDOWN = _renderer()


def prose(text: str) -> Markup:
    """The whole text. Its headings begin below the page's own."""
    tokens = _MARKDOWN.parse(visible(inspect.cleandoc(text)))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
    _wrap_tables(tokens)
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # html is off


def _wrap_tables(tokens: list[Token]) -> None:
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].type == "table_open":
            tokens.insert(index, Token("html_block", "", 0, content='<div class="scroll">'))
        elif tokens[index].type == "table_close":
            tokens.insert(index + 1, Token("html_block", "", 0, content="</div>"))


def inline(text: str) -> Markup:
    """One line, without a paragraph around it."""
    return Markup(_MARKDOWN.renderInline(visible(" ".join(text.split()))))  # html is off


def opening(text: str) -> str:
    """The first paragraph on one line: what a list of concepts shows."""
    first = inspect.cleandoc(text).split("\n\n", 1)[0]
    return " ".join(first.lstrip("# ").split())
