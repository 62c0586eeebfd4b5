"""The 200 texts of the text encoder's golden: own wording, from no data set."""

TITLES = """\
Stainless Steel Water Bottle, 750 ml, Blue
Wireless Over-Ear Headphones with 40 h Battery, Matte Black
Men's Merino Wool Hiking Socks (3 Pairs), Size 9-11
Cast Iron Skillet 10.25" Pre-Seasoned
Organic Green Tea, Loose Leaf, 250 g
USB-C to HDMI Adapter 4K@60Hz
Children's Picture Book: The Bear Who Could Not Sleep
Yoga Mat 6mm Non-Slip TPE - Lavender
LED Desk Lamp w/ 5 Colour Temperatures & USB Port
Ceramic Coffee Mug 12oz "World's Okayest Gardener"
Noise-cancelling earplugs, reusable, 2 sizes + case
Bamboo Cutting Board Set of 3
Portable Bluetooth Speaker IPX7 waterproof, floating
Hardcover Notebook A5 dotted 160 pages 100gsm
Electric Kettle 1.7L, 2200W, Auto Shut-Off
Dog Leash 5 ft. Heavy Duty Reflective Rope
Cat Scratching Post, Sisal, 32 inches tall
Camping Tent for 4 People / 3-Season / Double Layer
Sunscreen SPF50+ Face Cream 50ml fragrance-free
Kids' Wooden Railway Set (80 pcs.)
Mechanical Keyboard 87 Keys TKL Hot-Swappable RGB
Gaming Mouse 16,000 DPI -- 7 programmable buttons
Shampoo for Dry & Damaged Hair 2x400ml
Vitamin D3 2000 IU, 365 tablets
Extra Virgin Olive Oil, Cold Pressed, 1 L
Dark Chocolate 85% Cocoa, 100g (Pack of 6)
Running Shoes, Women's, Size 7.5 US, Coral/White
Waterproof Rain Jacket with Hood -- Unisex XL
Garden Hose 15 m with 8-Pattern Spray Nozzle
Cordless Drill Driver 18V, 2 x 2.0Ah batteries, charger
Screwdriver Bit Set, 40-in-1, CR-V steel
Acrylic Paint Set: 24 colours, 12 ml tubes
Watercolour Brushes No. 2/4/6/8
Acoustic Guitar Strings Light .012-.053
Digital Kitchen Scale 5kg/0.1g
Silicone Baking Mats (2), Half Sheet
Memory Foam Pillow, Queen Size, CertiPUR
Cotton Bed Sheets 400 Thread Count King 4-Piece Set
Blackout Curtains 52x84 in, Navy, Grommet
Robot Vacuum with Mapping and Mop
Air Purifier H13 True HEPA for rooms up to 30 m2
Travel Backpack 40L carry-on, laptop 15.6"
Leather Wallet RFID-blocking, slim bifold
Analog Wrist Watch Quartz 42mm brown strap
Polarized Sunglasses UV400
Beginner's Guide to Sourdough, 2nd Edition
A Short History of Lighthouses (Paperback)
Jazz at Midnight: Live in a Small Town [Vinyl]
Documentary: Rivers of Ice (DVD, 2 discs)
Board Game: Harbour Masters, 2-5 players, ages 10+
1000-Piece Jigsaw Puzzle Autumn Forest
Remote Control Car 1:16 4WD off-road 35 km/h
Building Blocks Castle 612 pieces
Plush Elephant 30cm grey
Baby Monitor w/ Camera and 5-inch Screen
Diaper Bag Backpack, Large Capacity
Stroller Organizer with Cup Holders
Fishing Rod Telescopic 2.4m + Reel Combo
Bicycle Helmet Adult M (55-58cm) with Rear Light
Resistance Bands Set of 5 (10-50 lbs)
Foam Roller 45cm Medium Density
Badminton Rackets, 2-Player Set, 3 Shuttlecocks
Table Tennis Balls 3-Star 40+ (12 ct)
Swimming Goggles anti-fog, mirrored
Insulated Lunch Box, leakproof, 1.2qt
Vacuum Flask 24h hot/cold 1 litre
French Press 34 oz borosilicate glass
Espresso Beans Whole Bean Dark Roast 2.2lb
Himalayan Pink Salt Fine 500g
Rice Cooker 1.8L with steamer basket
Non-Stick Frying Pan 28cm induction-ready
Chef's Knife 8" German steel
Paper Towels 12 Rolls 2-ply
Laundry Detergent Pods, 60 washes, spring meadow
Light Bulbs E27 9W 2700K (=60W) non-dimmable 4-pack
Extension Cord 3m 4-way surge-protected
AA Rechargeable Batteries NiMH 2500mAh x8
Phone Case for 6.1" models, clear, shock absorbing
Tempered Glass Screen Protector 9H [3 Pack]
Power Bank 20000mAh PD 22.5W
microSDXC Card 256GB A2 U3 V30
External SSD 1TB up to 1050MB/s
Webcam 1080p/30fps with privacy cover
Monitor Arm VESA 75/100, up to 9 kg
Office Chair, lumbar support, adjustable armrests
Standing Desk 120 x 60 cm Walnut
Wall Clock silent 30cm
Scented Candle - Cedar and Amber - 220g
Picture Frame 8x10 Set/6
Indoor Plant Pot w/ Drainage, Terracotta, 6in
Lawn Mower Blade Sharpener
Work Gloves Nitrile Coated L (12 Pairs)
First Aid Kit 120 pieces
Electric Toothbrush heads, compatible, 8 ct.
Lip Balm SPF 15 - Vanilla & Honey (4x4.8g)
Nail Polish Remover acetone-free 200ml
Makeup Brush Set 10pc with pouch
Perfume Eau de Parfum 1.7 fl. oz.
Ukulele Soprano Mahogany 21 inch starter kit
Snow Shovel, ergonomic, aluminium blade""".split("\n")

ACCENTS = [
    "Café au lait bowl, crème brûlée set",
    "Größe L – Übergrößen für Männer, weiß",
    "Piñata de cumpleaños ¡grande! ¿Sí?",
    "Żółta łódź, 3 źdźbła trawy",
    "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Smörgåsbord æøå ÆØÅ ðþ ÐÞ",
    "İstanbul'da ışıklı çanta ĞÜŞİÖÇ",
    "naïve façade coöperate résumé RÉSUMÉ",
    "cafe\u0301 vs caf\u00e9; A\u030angstro\u0308m vs \u00c5ngstr\u00f6m \u212b",
    "Tiếng Việt: Nước mắm Phú Quốc thượng hạng",
    "Ελληνικό ελαιόλαδο ΕΞΑΙΡΕΤΙΚΟ ΠΑΡΘΕΝΟ ΟΔΟΣ",
    "Детская книга «Ёжик в тумане», твёрдый переплёт",
    "Українська їжа: борщ ґатунку Ї",
    "\u1e9b\u0323 \u1e69 s\u0323\u0307 s\u0307\u0323 d\u0307\u0323 \u1e0d\u0307",
    "Straße STRASSE ẞ ﬁ ﬂ ﬃ ǅ ǆ Ŋ ŉ",
]

SCRIPTS = [
    "不锈钢保温杯 500毫升 便携 蓝色",
    "儿童绘本：小熊睡不着（精装版）",
    "無線藍牙耳機，降噪，續航四十小時",
    "手机壳iPhone透明防摔2024新款",
    "㐀㐁𠀀𠀁𪚥豈更車",
    "ステンレスボトル 750ml ブルー",
    "ｶﾞｰﾃﾞﾝ用ﾎｰｽ １５ｍ",
    "こどもの絵本『ねむれないくま』 が ぱ か\u3099 は\u309a",
    "東京タワーの模型、1/500スケール",
    "무선 블루투스 이어폰, 소음 차단",
    "\u1112\u1161\u11ab\u1100\u1173\u11af 한글 자모",
    "어린이 동화책 곰돌이",
    "زجاجة ماء من الفولاذ المقاوم للصدأ",
    "كِتَابٌ لِلْأَطْفَالِ ١٢٣",
    "کتری برقی ۱٫۷ لیتر",
    "בקבוק מים נירוסטה, שָׁלוֹם",
    "स्टेनलेस स्टील की पानी की बोतल",
    "बच्चों की किताब ₹२९९",
    "বাংলা বই ও খাতা",
    "தமிழ் புத்தகம் கொ ொ",
    "ขวดน้ำสแตนเลส 750 มล. สีน้ำเงิน",
    "หนังสือนิทานเด็ก ก็ ที่ นํ้า",
    "ລາວ ຂວດນ້ຳ",
    "ქართული წიგნი ᲥᲐᲠᲗᲣᲚᲘ",
    "Հայերեն գիրք և թև",
    "አማርኛ መጽሐፍ ፡ ።",
    "ភាសាខ្មែរ សៀវភៅ",
    "མེ་ལོང་། བོད་ཡིག",
    "Ꭰꭰ Ꮳꮳ ᏣᎳᎩ 𐐀𐐨 𞤀𞤢",
]

EMOJI = [
    "Party pack 🎉🎈🥳 for 12",
    "👨‍👩‍👧‍👦 family tent",
    "👩🏽‍🚀 costume, 🏳️‍🌈 flag 🇩🇪 🇨🇳",
    "❤️ ❤ ☺️ ☺ ©️ ® ™ 1️⃣ #️⃣",
    "🧗‍♀️🏔️ climbing 🤷🏿‍♂️",
    "♠♣♥♦ ♪♫ ★☆ ✓✗ →⇒",
]

ODD = [
    "",
    " ",
    "   \t\n\r  ",
    "\u00a0\u2003\u3000\u2028\u2029\u1680\u202f",
    "\x01\x02\x03",
    "tab\tnew\nline\r\nreturn\x0bvertical\x0cfeed\x85next",
    "bell\x07 back\x08space esc\x1b[0m del\x7f c1\x80\x9f",
    "soft\u00adhyphen zero\u200bwidth\u200cjoin\u200der bom\ufeff word\u2060joiner",
    "left\u200eright\u200f bidi \u202aembed\u202c \u2066isolate\u2069",
    "re\ufffdplaced \ufffd \ufffd\ufffd",
    "non\ufffecharacters \uffff \U0010ffff \ufdd0 \U0001fffe",
    "private \ue000 \uf8ff \U000f0000 \U00100000 tags \U000e0041\U000e007f",
    "[MASK] [SEP] [CLS] [PAD] [UNK]",
    "a[MASK]b[SEP]c",
    "[mask] [Mask] [MASK [ MASK ] [[MASK]]",
    "The capital of France is [MASK].",
    "[CLS]already wrapped[SEP]",
    "##ing ## #hash ##",
    "a" * 100,
    "a" * 101,
    "supercalifragilisticexpialidocious" * 4,
    "ordinary " + "x" * 150 + " word",
    "é" * 100,
    "e\u0301" * 60,
    "字" * 120,
    "!!!???...---***",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "¡¢£¤¥¦§¨©ª«¬®¯°±²³´µ¶·¸¹º»¼½¾¿×÷",
    "‘single’ “double” ‚low‘ „low“ ‹a› «b» – — … ‰ ′ ″ ‼ ⁇",
    "、。〈〉《》「」『』【】〔〕！？，．：；（）",
    "0 1 12 123 1234 12345 123456 1234567890 0.5 -3 +7 1e-9 1,000,000.00",
    "٠١٢ ०१२ 〇一二 ⅠⅡⅢ ① ½ x² H₂O",
    "$19.99 €5,00 £3 ¥100 ₹50 ₿0.1 ¢",
    "mail me: someone@example.org or see example.org/a_b?c=d&e=f#g",
    "C++ C# F# .NET a->b x==y != <= >= && || ~/path\\to\\file",
    "mixed Кириллица латиница 中文 and 日本語 with English",
    "iPhone手机ケース케이스чехол",
    "zalgo Z\u0351\u036b\u0343\u036a\u0302a\u0304l\u0348g\u0325o\u0321",
    "\u0301starts with a mark; lone \u20d0 \u0948 \u302a",
    "𝓕𝓪𝓷𝓬𝔂 𝔗𝔢𝔵𝔱 𝟘𝟙𝟚 🄰🅱 ⓐⓩ Ｆｕｌｌｗｉｄｔｈ",
    "ALL CAPS TITLE FOR A BARGAIN LISTING!!!",
    "all lower case no punctuation at all",
    "camelCaseWord snake_case_word kebab-case-word",
    "\u0130 \u0131 I i \u017f \u212a \u2126 \u03a3\u03c3\u03c2",
    "Don't can't won't it's o'clock rock'n'roll",
]


def long_text():
    """600 words, well past the 256 tokens at which the model cuts."""
    words = ("sturdy light blue garden kitchen travel steel wooden soft bottle lamp chair "
             "blanket basket mirror cable ladder pillow").split()
    return " ".join(words[(i * 7 + i // 18) % len(words)] for i in range(600))


def all_texts():
    edge = " ".join(["word"] * 254)  # exactly 256 ids, nothing is cut
    texts = TITLES + ACCENTS + SCRIPTS + EMOJI + ODD
    texts += [long_text(), edge, edge + " more", edge + " unbelievableness", "ab" * 300]
    return texts


if __name__ == "__main__":
    print(len(all_texts()))
