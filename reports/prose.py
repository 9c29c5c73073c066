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
    (re.compile(r"\\operatorname\*"), r"\\operatorname"),
)
_TEXT = re.compile(r"(\\(?:text|textrm|textbf|textit|mbox)\s*\{)([^{}]*)\}")


def math(tex: str, *, display: bool = False) -> Markup:
    """TeX as MathML, with only elements and attributes that draw; TeX that cannot be read is shown as it is written."""
    try:
        rewritten = tex
        for pattern, better in _REWRITTEN:
            rewritten = pattern.sub(better, rewritten)
        # The converter copies text as it is, so what XML would read as markup is escaped before.
        rewritten = _TEXT.sub(lambda found: f"{found[1]}{html.escape(found[2], quote=False)}}}", rewritten)
        tree = ET.fromstring(convert(rewritten, display="block" if display else "inline"))
        _clean(tree)
        return Markup(ET.tostring(tree, encoding="unicode"))  # built from the checked tree
    except Exception:  # the converter raises whatever it stumbles over
        return Markup('<code class="tex">{}</code>').format(visible(tex))


def _clean(tree: ET.Element) -> None:
    for element in tree.iter():
        name = element.tag.rsplit("}", 1)[-1]
        if not _ELEMENTS.fullmatch(name):
            raise ValueError(f"{name} does not draw mathematics")
        element.tag = name
        if name == "mo" and (element.text or "").isalpha() and len(element.text or "") > 1:
            # The name of a function; as an operator it would be spaced like a plus sign.
            element.tag = "mi"
        # A command that the converter does not know is mostly the name of a function.
        element.text = element.text.removeprefix("\\") if element.text else element.text
        if element.get("mathvariant") == "bold" and element.text:
            element.text = "".join(map(_bold, element.text))
        element.attrib = {key: value for key, value in element.attrib.items() if _ATTRIBUTES.fullmatch(key)}
    tree.set("xmlns", "http://www.w3.org/1998/Math/MathML")


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
