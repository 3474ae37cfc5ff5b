"""A page of plain HTML in the colours of the others, for what must work without anything of what is behind it."""

import html

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} – {station}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }}
body {{ display: grid; place-items: center; min-height: 100vh; margin: 0; background: light-dark(#f3f5f8, #0d1117) }}
form, main {{ display: grid; box-sizing: border-box; gap: 14px; width: min(26rem, 92vw); padding: 28px;
  border-radius: 12px; background: light-dark(#fff, #161b22); border: 1px solid light-dark(#d5dbe3, #2c3440) }}
h1 {{ font-size: 1.3rem; margin: 0; overflow-wrap: anywhere }} label {{ display: grid; gap: 4px }}
input, button {{ font: inherit; padding: 10px 12px; border-radius: 8px; border: 1px solid #768391 }}
button {{ background: #1864ab; color: #fff; border: 0; font-weight: 600 }} p {{ margin: 0 }}
a {{ color: light-dark(#1565c0, #6ea8fe) }}
</style></head><body>{body}</body></html>"""


def plain_page(title: str, station: str, body: str) -> str:
    """The page.

    Args:
        title: of what is on it.
        station: its name.
        body: HTML, with everything escaped that is not ours.
    """
    return PAGE.format(title=html.escape(title), station=html.escape(station), body=body)
