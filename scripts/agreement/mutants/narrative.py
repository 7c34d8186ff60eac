"""Mutants of the narrative: outside the safe subset of XHTML, or at its edge (R4 narrative.html)."""

from __future__ import annotations

from scripts.agreement.mutants.registry import Draft, mutator

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'

DIVS = (
    f"<div {XHTML}><script>alert(1)</script>x</div>",
    f'<div {XHTML}><p onclick="x()">x</p></div>',
    f'<div {XHTML}><a href="javascript:alert(1)">x</a></div>',
    f'<div {XHTML}><iframe src="http://x.org"/>x</div>',
    f"<div {XHTML}><form><input/></form>x</div>",
    f'<div {XHTML}><img src="#a" alt="x"/></div>',
    f'<div {XHTML}><img src="http://x.org/a.png"/></div>',
    f'<div {XHTML}><img src="data:image/png;base64,AAAA" alt="x"/></div>',
    f"<div {XHTML}>a &nbsp; b</div>",
    f"<div {XHTML}>a &nonsense; b</div>",
    f"<div {XHTML}>a & b</div>",
    f"<div {XHTML}>a &lt; b</div>",
    f"<div {XHTML}>a &#160; b</div>",
    f"<div {XHTML}>a &copy; b</div>",
    f"<div {XHTML}> </div>",
    f"<div {XHTML}/>",
    f"<div {XHTML}><p/></div>",
    f"<div {XHTML}>&#160;</div>",
    f"<p {XHTML}>x</p>",
    f"<DIV {XHTML}>x</DIV>",
    "<div>x</div>",
    '<div xmlns="http://www.w3.org/2000/svg">x</div>',
    '<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div>',
    f"<div {XHTML}><b>x</div>",
    f"<div {XHTML}>x</div><div {XHTML}>y</div>",
    f"<div {XHTML}><!-- comment -->x</div>",
    f"<?xml version='1.0'?><div {XHTML}>x</div>",
    f"<!DOCTYPE html><div {XHTML}>x</div>",
    f"<div {XHTML}><![CDATA[x]]></div>",
    f"<div {XHTML}><?php x ?>x</div>",
    f'<div {XHTML} style="color: red">x</div>',
    f'<div {XHTML} lang="en" xml:lang="en">x</div>',
    f'<div {XHTML} id="a" class="b" title="c" dir="rtl">x</div>',
    f'<div {XHTML} data-x="1">x</div>',
    f'<div {XHTML}><p align="left" width="3">x</p></div>',
    f'<div {XHTML}><table border="1" cellpadding="2"><tbody><tr><td colspan="2">x</td></tr></tbody></table></div>',
    f"<div {XHTML}><table><tr><td>x</td></tr></table></div>",
    f"<div {XHTML}><ul><li>x</li></ul><ol><li>y</li></ol><dl><dt>a</dt><dd>b</dd></dl></div>",
    f"<div {XHTML}><font color='red'>x</font></div>",
    f"<div {XHTML}><center>x</center></div>",
    f"<div {XHTML}><u>x</u><s>y</s><strike>z</strike></div>",
    f"<div {XHTML}><svg/>x</div>",
    f"<div {XHTML}><style>p {{}}</style>x</div>",
    f'<div {XHTML}><link href="x"/>x</div>',
    f"<div {XHTML}><object/>x</div>",
    f"<div {XHTML}><h1>x</h1><hr/><br/><pre>y</pre><code>z</code></div>",
    f'<div {XHTML}><a name="x" href="#x">x</a><a href="http://x.org" target="_blank">y</a></div>',
    f'<div {XHTML}><a href="Patient/1">x</a></div>',
    f'<div {XHTML}><a href="ftp://x.org">x</a><a href="mailto:a@b.org">y</a></div>',
    f"<div {XHTML}><section>x</section></div>",
    f"<div {XHTML}><span><div>x</div></span></div>",
    f"<div {XHTML}><p>x<ul><li>y</li></ul></p></div>",
    f"<div {XHTML}><abbr title='x'>y</abbr><acronym>z</acronym><q>a</q><cite>b</cite></div>",
    f"<div {XHTML}><bdo dir='rtl'>x</bdo><big>y</big><small>z</small><tt>a</tt></div>",
    f"<div {XHTML}><ins>x</ins><del>y</del><kbd>z</kbd><samp>a</samp><var>b</var></div>",
    f"<div {XHTML}><button>x</button></div>",
    f'<div {XHTML}><p class="a" xyz="b">x</p></div>',
    f'<div {XHTML}><p style="background: url(javascript:x)">x</p></div>',
    "plain text",
    " ",
    "",
)


@mutator("narrative/div")
def div(draft: Draft) -> str | None:
    """Another content of a div."""
    spot = draft.pick(draft.spots("xhtml"))
    if spot is None:
        return None
    text = draft.random.choice(DIVS)
    spot.put(text)
    return f"{spot.path} is {text!r}"


@mutator("narrative/parts")
def parts(draft: Draft) -> str | None:
    """The status or the div missing or odd."""
    node = draft.pick(draft.nodes("Narrative"))
    if node is None:
        return None
    what = draft.random.choice(
        ["status removed", "div removed", "status wrong", "extended", "status extensions"]
    )
    if what == "status removed":
        node.value.pop("status", None)
    elif what == "div removed":
        node.value.pop("div", None)
    elif what == "status wrong":
        node.value["status"] = "none"
    elif what == "extended":
        node.value["_div"] = {"extension": [{"url": "https://hospital.org/x", "valueString": "x"}]}
    else:
        node.value["status"] = "extensions"
    return f"{node.path}: {what}"
