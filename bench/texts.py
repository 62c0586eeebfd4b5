"""Texts like those of a shop's catalogue, the same on every machine: made of the word lists below."""

import random

MAKERS = """Northfold Harbourline Kestrel Alderby Quillmark Tamsin&Co Brightwater Ostrava Vellano Pinecrest Rookwood
Lumenor Fjordly Maplethorpe Zentari Oakhaven Delmarva Copperfield Sundara Weatherby""".split()
ADJECTIVES = """stainless waterproof wireless organic adjustable foldable lightweight ergonomic handmade rechargeable
non-slip heavy-duty portable insulated breathable vintage washable reusable scented unscented premium compact
double-walled quick-drying fragrance-free magnetic transparent reversible hypoallergenic solid""".split()
MATERIALS = """steel bamboo cotton leather silicone ceramic walnut aluminium merino linen glass polyester titanium
sheepskin microfiber rubber oak wool porcelain nylon""".split()
THINGS = """water bottle|desk lamp|hiking socks|cast iron skillet|yoga mat|coffee grinder|rain jacket|phone case|garden hose
|face cream|dog leash|board game|travel backpack|bath towel|kitchen scale|bicycle light|sleeping bag|tea infuser
|headphones|jigsaw puzzle|shower curtain|picture frame|hand soap|lip balm|wooden train|tennis racket|fishing reel
|paint brush set|notebook|pillow|watering can|bread knife|baby monitor|swim goggles|eyeshadow palette|nail polish
|hair dryer|protein powder|climbing rope|wall clock""".replace("\n", "").split("|")
COLOURS = "black white navy olive teal burgundy charcoal ivory coral lavender turquoise mustard".split()
CLAIMS = """keeps drinks cold for {n} hours and hot for {m}
made from recycled {material} by a family workshop
fits most {thing}s up to {n} inches
easy to clean: wipe with a damp cloth, do not bleach
comes with a carrying pouch, {m} spare parts and a {n}-year warranty
the {adjective} surface doesn't scratch and won't fade in the sun
tested by dermatologists on sensitive skin
charges fully in {m} hours over USB-C (cable included)
a gift for anyone who loves the {material} look of a classic {thing}
designed so that left-handed people can use it just as well
ships in plastic-free packaging
recommended for children aged {m}+ under supervision
holds up to {n} kg without bending, thanks to its reinforced {material} core
the inner pocket keeps keys, cards and a small {thing} within reach""".split("\n")


def title(r):
    parts = [r.choice(MAKERS), r.choice(ADJECTIVES), r.choice(MATERIALS), r.choice(THINGS)]
    words = [word if r.random() < 0.2 else word.title() for word in parts]
    if r.random() < 0.6:
        words.append(f"{r.choice(['-', ',', '|', '/'])} {r.choice(COLOURS).title()}")
    if r.random() < 0.5:
        words.append(r.choice(["({} Pack)", "{} oz", "{}0 ml", "Size {}", "x{}", "{}cm"]).format(r.randint(2, 48)))
    return " ".join(words).replace(" ,", ",")


def claim(r):
    text = r.choice(CLAIMS).format(n=r.randint(10, 60), m=r.randint(2, 9), material=r.choice(MATERIALS),
                                   thing=r.choice(THINGS), adjective=r.choice(ADJECTIVES))
    return f"{text[0].upper()}{text[1:]}."


def titles(count, seed):
    r = random.Random(seed)
    return [title(r) for _ in range(count)]


def sentences(count=512, seed=7):
    """Titles alone, with a sentence or two, and an eighth with a long description: 35 tokens on the average."""
    r = random.Random(seed)
    lengths = [0, 0, 0, 1, 1, 2, 2, 7]
    texts = []
    for i in range(count):
        n = lengths[i % len(lengths)]
        n = r.randint(5, 11) if n == 7 else n
        texts.append(" ".join([title(r) + ("." if n else ""), *(claim(r) for _ in range(n))]))
    r.shuffle(texts)
    return texts


def of_length(tokens, count_tokens, seed=3):
    """A text of exactly that many tokens, special ones included."""
    r = random.Random(seed)
    text = ""
    while True:
        longer = f"{text} {r.choice([title, claim])(r)}".strip()
        if count_tokens(longer) > tokens:
            break
        text = longer
    while count_tokens(text) < tokens:
        text += " warm"  # one token
    assert count_tokens(text) == tokens
    return text
