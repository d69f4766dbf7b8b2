"""
The light marks of a message's text, and the two forms it is sent in.

Paragraphs are parted by an empty line. `# ` begins a heading, `- ` an item of a list, `**bold**` and
`[words](address)` are what they look like, and a link alone in its paragraph is a button. HTML is not
among them: what looks like a tag is shown as it stands. Marks are read before Liquid fills the values in,
so that a customer's name can neither become a link nor a tag.
"""

import re
from html import escape
from itertools import groupby

_LIQUID = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)
_LINK = re.compile(r"\[([^\]\n]+)\]\(((?:\{\{.*?\}\}|[^)\s])+)\)")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_ONLY_LIQUID = re.compile(r"\s*(?:\{%.*?%\}\s*)+", re.DOTALL)
_GAPS = re.compile(r"\n{3,}")
_HREF = re.compile(r'href="([^"]*)"')
# Mail programs read no style sheets for sure: what must be seen stands on the element itself.
_BUTTON = (
    '<p><a class="button" style="display:inline-block;padding:12px 24px;border-radius:8px;font-weight:600;'
    'text-decoration:none;background:{{{{ fill }}}};color:{{{{ on_fill }}}}" href="{}">{}</a></p>'
)
_SAFE = ("http://", "https://", "mailto:", "tel:")


def to_html(body: str) -> str:
    """Return the Liquid template of the HTML form."""
    return "\n".join(
        _block(block) for block in re.split(r"\n[ \t]*\n", body.replace("\r\n", "\n")) if block.strip()
    )


def to_text(body: str) -> str:
    """Return the Liquid template of the plain form: links are written out, marks are left away."""
    text = _LINK.sub(r"\1: \2", body.replace("\r\n", "\n"))
    return re.sub(r"(?m)^# ", "", _BOLD.sub(r"\1", text))


def tidy(text: str) -> str:
    """Return rendered plain text without the gaps that tags leave behind."""
    return _GAPS.sub("\n\n", "\n".join(line.rstrip() for line in text.splitlines())).strip()


def safe_links(html: str) -> str:
    """Return rendered HTML whose links lead to pages, mail and phones only: never to a script."""
    return _HREF.sub(lambda found: found[0] if found[1].startswith(_SAFE) else 'href="#"', html)


def _block(block: str) -> str:
    block = block.strip()
    if _ONLY_LIQUID.fullmatch(block):
        return block
    if found := _LINK.fullmatch(block):
        return _BUTTON.format(_marked(found[2]), _inline(found[1]))
    parts = []
    for is_list, lines in groupby(block.split("\n"), key=lambda line: line.startswith("- ")):
        if is_list:
            items = "".join(f"<li>{_inline(line[2:])}</li>" for line in lines)
            parts.append(f"<ul>{items}</ul>")
        else:
            parts.append(_paragraph("\n".join(lines)))
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    if _ONLY_LIQUID.fullmatch(text):
        return text
    if text.startswith("# "):
        return f"<h1>{_inline(text[2:])}</h1>"
    return f"<p>{_inline(text).replace(chr(10), '<br>')}</p>"


def _inline(text: str) -> str:
    html = _LINK.sub(r'<a href="\2">\1</a>', _marked(text))
    return _BOLD.sub(r"<strong>\1</strong>", html)


def _marked(text: str) -> str:
    """Return the text with everything but Liquid's own tags escaped."""
    parts = _LIQUID.split(text)
    return "".join(part if place % 2 else escape(part) for place, part in enumerate(parts))
