"""Writes personal_phones.tsv from libphonenumber's metadata (package `phonenumbers`, Apache-2.0).

One line a calling code: the code, the prefix that is dialled within the country, and for each range of the
first three digits of a national number the lengths that a number so begun may have. What the table holds is
exactly which (first three digits, length) some pattern of some kind of number allows; it is not a full check.
"""

import re._parser as sre
import re._constants as op
import sys

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

KINDS = ["fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "uan", "pager"]
DIGITS = frozenset("0123456789")


class Machine:
    """A pattern as a machine of states, made once, asked by prefix and length."""

    def __init__(self, pattern):
        self.empty, self.step, self.count = {}, {}, 0
        self.start, self.end = self.new(), self.new()
        self.build(list(sre.parse(pattern)), self.start, self.end)

    def new(self):
        self.count += 1
        self.empty[self.count], self.step[self.count] = [], []
        return self.count

    def build(self, items, a, b):
        for item in items:
            c = self.new()
            self.one(item, a, c)
            a = c
        self.empty[a].append(b)

    def one(self, item, a, b):
        kind, value = item
        if kind is op.LITERAL:
            self.step[a].append((frozenset(chr(value)), b))
        elif kind is op.IN:
            allowed = set()
            for k, v in value:
                if k is op.LITERAL:
                    allowed.add(chr(v))
                elif k is op.RANGE:
                    allowed |= {chr(c) for c in range(v[0], v[1] + 1)}
                elif k is op.CATEGORY:
                    allowed |= DIGITS
            self.step[a].append((frozenset(allowed), b))
        elif kind is op.SUBPATTERN:
            self.build(list(value[3]), a, b)
        elif kind is op.BRANCH:
            for branch in value[1]:
                self.build(list(branch), a, b)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high, inner = value
            for n in range(int(high)):
                if n >= low:
                    self.empty[a].append(b)
                c = self.new()
                self.build(list(inner), a, c)
                a = c
            self.empty[a].append(b)
        else:
            raise ValueError(kind)

    def close(self, states):
        seen, todo = set(states), list(states)
        while todo:
            for n in self.empty[todo.pop()]:
                if n not in seen:
                    seen.add(n)
                    todo.append(n)
        return frozenset(seen)

    def after(self, states, digit):
        return self.close({n for s in states for on, n in self.step[s] if digit is None or digit in on})

    def lengths(self, prefix, possible):
        states = self.close({self.start})
        for digit in prefix:
            states = self.after(states, digit)
        found, n = set(), len(prefix)
        while states and n <= 15:
            if self.end in states and n in possible:
                found.add(n)
            states = self.after(states, None)
            n += 1
        return found


def metadata():
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        yield PhoneMetadata.metadata_for_region(region, None)
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        yield PhoneMetadata.metadata_for_nongeo_region(code, None)


def main(out):
    codes = {}
    for data in metadata():
        table = codes.setdefault(data.country_code, {"trunk": set(), "regions": [], "lengths": {}})
        table["regions"].append(data.id)
        if data.national_prefix:
            table["trunk"].add(data.national_prefix)
        for kind in KINDS:
            desc = getattr(data, kind)
            if desc is None or not desc.national_number_pattern:
                continue
            possible = set(n for n in (desc.possible_length or data.general_desc.possible_length) if n >= 5)
            machine = Machine(desc.national_number_pattern)
            for n in range(1000):
                table["lengths"].setdefault(n, set()).update(machine.lengths(f"{n:03}", possible))
    print("# Derived from libphonenumber's metadata (Apache-2.0) by personal_phones.py.", file=out)
    print("# code\ttrunk\tfirst three digits=lengths", file=out)
    for code, table in sorted(codes.items()):
        ranges, n = [], 0
        while n < 1000:
            lengths, m = table["lengths"][n], n
            while m + 1 < 1000 and table["lengths"][m + 1] == lengths:
                m += 1
            if lengths:
                name = f"{n:03}" if n == m else f"{n:03}-{m:03}"
                ranges.append(name + "=" + ",".join(map(str, sorted(lengths))))
            n = m + 1
        print(code, ",".join(sorted(table["trunk"])) or "-", " ".join(ranges), sep="\t", file=out)


if __name__ == "__main__":
    main(sys.stdout)
