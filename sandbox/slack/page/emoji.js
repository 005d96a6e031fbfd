// The shortcodes of Slack that bots commonly write, and the characters they stand for.

const CHARACTERS = new Map(Object.entries({
  "white_check_mark": "✅", "heavy_check_mark": "✔️", "ballot_box_with_check": "☑️", "warning": "⚠️",
  "x": "❌", "negative_squared_cross_mark": "❎", "rotating_light": "🚨", "hourglass_flowing_sand": "⏳",
  "hourglass": "⌛", "stopwatch": "⏱️", "alarm_clock": "⏰", "clock1": "🕐", "no_entry": "⛔",
  "no_entry_sign": "🚫", "octagonal_sign": "🛑", "red_circle": "🔴", "large_orange_circle": "🟠",
  "large_yellow_circle": "🟡", "large_green_circle": "🟢", "large_blue_circle": "🔵", "white_circle": "⚪",
  "black_circle": "⚫", "large_red_square": "🟥", "large_orange_square": "🟧", "large_yellow_square": "🟨",
  "large_green_square": "🟩", "large_blue_square": "🟦", "black_large_square": "⬛",
  "white_large_square": "⬜", "bell": "🔔", "no_bell": "🔕", "mute": "🔇", "loudspeaker": "📢", "mega": "📣",
  "fire": "🔥", "fire_engine": "🚒", "ambulance": "🚑", "boom": "💥", "zap": "⚡", "tada": "🎉", "sparkles": "✨",
  "star": "⭐", "rocket": "🚀", "eyes": "👀", "wave": "👋", "thumbsup": "👍", "+1": "👍", "thumbsdown": "👎",
  "-1": "👎", "ok_hand": "👌", "clap": "👏", "pray": "🙏", "muscle": "💪", "raised_hand": "✋",
  "point_right": "👉", "point_down": "👇", "heart": "❤️", "green_heart": "💚", "blue_heart": "💙",
  "broken_heart": "💔", "smile": "😄", "slightly_smiling_face": "🙂", "grinning": "😀", "joy": "😂",
  "thinking_face": "🤔", "sweat_smile": "😅", "cry": "😢", "scream": "😱", "sleeping": "😴", "zzz": "💤",
  "robot_face": "🤖", "ghost": "👻", "skull": "💀", "bug": "🐛", "snail": "🐌", "turtle": "🐢", "whale": "🐳",
  "cat": "🐱", "lock": "🔒", "unlock": "🔓", "closed_lock_with_key": "🔐", "key": "🔑", "old_key": "🗝️",
  "shield": "🛡️", "police_car": "🚓", "wrench": "🔧", "hammer": "🔨", "hammer_and_wrench": "🛠️", "gear": "⚙️",
  "nut_and_bolt": "🔩", "toolbox": "🧰", "broom": "🧹", "package": "📦", "inbox_tray": "📥", "outbox_tray": "📤",
  "floppy_disk": "💾", "minidisc": "💽", "cd": "💿", "file_cabinet": "🗄️", "card_file_box": "🗃️",
  "file_folder": "📁", "open_file_folder": "📂", "card_index_dividers": "🗂️", "page_facing_up": "📄",
  "scroll": "📜", "memo": "📝", "pencil": "📝", "pencil2": "✏️", "notebook": "📓", "books": "📚", "book": "📖",
  "clipboard": "📋", "pushpin": "📌", "round_pushpin": "📍", "paperclip": "📎", "link": "🔗", "mag": "🔍",
  "bar_chart": "📊", "chart_with_upwards_trend": "📈", "chart_with_downwards_trend": "📉", "calendar": "📆",
  "date": "📅", "spiral_calendar_pad": "🗓️", "email": "📧", "envelope": "✉️", "speech_balloon": "💬",
  "thought_balloon": "💭", "bulb": "💡", "battery": "🔋", "electric_plug": "🔌", "computer": "💻",
  "desktop_computer": "🖥️", "satellite": "🛰️", "satellite_antenna": "📡", "globe_with_meridians": "🌐",
  "earth_asia": "🌏", "house": "🏠", "construction": "🚧", "test_tube": "🧪", "microscope": "🔬",
  "thermometer": "🌡️", "seedling": "🌱", "leaves": "🍃", "herb": "🌿", "sunny": "☀️", "cloud": "☁️",
  "umbrella": "☂️", "snowflake": "❄️", "moon": "🌙", "crescent_moon": "🌙", "coffee": "☕",
  "information_source": "ℹ️", "question": "❓", "grey_question": "❔", "exclamation": "❗",
  "heavy_exclamation_mark": "❗", "bangbang": "‼️", "recycle": "♻️", "repeat": "🔁",
  "arrows_counterclockwise": "🔄", "arrows_clockwise": "🔃", "arrow_right": "➡️", "arrow_left": "⬅️",
  "arrow_up": "⬆️", "arrow_down": "⬇️", "arrow_forward": "▶️", "black_right_pointing_triangle": "▶️",
  "leftwards_arrow_with_hook": "↩️", "arrow_right_hook": "↪️", "fast_forward": "⏩", "rewind": "⏪",
  "double_vertical_bar": "⏸️", "pause_button": "⏸️", "black_square_for_stop": "⏹️", "stop_button": "⏹️",
  "heavy_plus_sign": "➕", "heavy_minus_sign": "➖", "wastebasket": "🗑️", "new": "🆕", "ok": "🆗", "sos": "🆘",
  "one": "1️⃣", "two": "2️⃣", "three": "3️⃣", "four": "4️⃣", "five": "5️⃣", "100": "💯",
  "busts_in_silhouette": "👥", "bust_in_silhouette": "👤", "detective": "🕵️", "handshake": "🤝", "ship": "🚢",
  "truck": "🚚", "anchor": "⚓", "checkered_flag": "🏁", "triangular_flag_on_post": "🚩", "white_flag": "🏳️",
  "crossed_swords": "⚔️", "dart": "🎯", "art": "🎨", "camera": "📷", "frame_with_picture": "🖼️",
  "shopping_bags": "🛍️", "label": "🏷️", "bookmark": "🔖", "hourglass_done": "⌛",
}));

/** The character of a shortcode given without colons, or undefined. */
export const emoji = (name) => CHARACTERS.get(name);

/** Text with every known shortcode in it replaced. */
export const withEmoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (all, name) => emoji(name) ?? all);
