"""The icons: lines on a field of 24 by 24, drawn for Orrery. Colour and width come from the picture's style."""

from __future__ import annotations

ICONS = {
    "api": (
        '<path d="M8 4H7a2 2 0 0 0-2 2v3.5L3 12l2 2.5V18a2 2 0 0 0 2 2h1'
        'M16 4h1a2 2 0 0 1 2 2v3.5L21 12l-2 2.5V18a2 2 0 0 1-2 2h-1M9 12h6"/>'
    ),
    "bell": '<path d="M5 17h14l-1.6-2.5V10a5.4 5.4 0 0 0-10.8 0v4.5zM10 20h4M12 4.6V3"/>',
    "box": '<path d="M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9"/>',
    "bucket": '<path d="M5 6.5L7 20h10l2-13.5"/><ellipse cx="12" cy="6.5" rx="7.5" ry="2.5"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/>',
    "cloud": '<path d="M7 18a4 4 0 0 1-.5-7.97 5.5 5.5 0 0 1 10.7-1A4.5 4.5 0 0 1 17 18z"/>',
    "cluster": (
        '<circle cx="12" cy="5.5" r="2.5"/><circle cx="5.5" cy="17.5" r="2.5"/>'
        '<circle cx="18.5" cy="17.5" r="2.5"/><path d="M10.8 7.7l-4.1 7.6M13.2 7.7l4.1 7.6M8 17.5h8"/>'
    ),
    "database": (
        '<ellipse cx="12" cy="5.5" rx="7.5" ry="2.5"/>'
        '<path d="M4.5 5.5v13c0 1.4 3.4 2.5 7.5 2.5s7.5-1.1 7.5-2.5v-13'
        'M4.5 12c0 1.4 3.4 2.5 7.5 2.5s7.5-1.1 7.5-2.5"/>'
    ),
    "function": (
        '<path d="M14.5 4.5C11 3 10.5 6 10.2 8.5L9 16.5c-.4 2.5-1.5 4.5-4 3.2M7 10.5h6.5M14 13l5.5 6.5'
        'M19.5 13L14 19.5"/>'
    ),
    "globe": '<circle cx="12" cy="12" r="8.5"/><ellipse cx="12" cy="12" rx="3.8" ry="8.5"/><path d="M3.5 12h17"/>',
    "key": '<circle cx="8" cy="15.5" r="4"/><path d="M11 12.7L19.5 4M15.5 8l3 3M18 5.5l2 2"/>',
    "lock": (
        '<rect x="5" y="10.5" width="14" height="10" rx="1.5"/><path d="M8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.5v2.5"/>'
    ),
    "network": (
        '<rect x="9" y="3.5" width="6" height="5" rx="1"/><rect x="3" y="15.5" width="6" height="5" rx="1"/>'
        '<rect x="15" y="15.5" width="6" height="5" rx="1"/><path d="M12 8.5V12M6 15.5V12h12v3.5"/>'
    ),
    "queue": (
        '<rect x="3" y="7" width="4.5" height="10" rx="1"/>'
        '<rect x="9.75" y="7" width="4.5" height="10" rx="1"/>'
        '<rect x="16.5" y="7" width="4.5" height="10" rx="1"/>'
    ),
    "search": '<circle cx="10.5" cy="10.5" r="6.5"/><path d="M15.3 15.3L20.5 20.5"/>',
    "shield": '<path d="M12 3l7.5 2.8V11c0 4.6-3 8-7.5 10-4.5-2-7.5-5.4-7.5-10V5.8zM8.5 11.8l2.5 2.5 4.5-4.6"/>',
    "stream": (
        '<path d="M3 7c3-2.5 6-2.5 9 0s6 2.5 9 0M3 12c3-2.5 6-2.5 9 0s6 2.5 9 0M3 17c3-2.5 6-2.5 9 0s6 2.5 9 0"/>'
    ),
    "table": ('<rect x="3.5" y="4.5" width="17" height="15" rx="1.5"/><path d="M3.5 9.5h17M3.5 14.5h17M9.5 9.5v10"/>'),
    "topic": '<path d="M4 10v4h3l7 4.5v-13L7 10zM17 9a4.2 4.2 0 0 1 0 6M19.3 6.5a8 8 0 0 1 0 11"/>',
    "warehouse": '<path d="M3.5 20V9L12 4l8.5 5v11M7 20v-8h10v8M7 16h10"/>',
}
"""Icon by name, as the content of an SVG symbol."""
