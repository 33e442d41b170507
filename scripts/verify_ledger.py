#!/usr/bin/env python3
"""Checks a Buurtpoort ledger with nothing but public keys. Written from docs/ledger.md alone.

    verify_ledger.py [--key KEY|FILE]... [--checkpoint FILE]... [--archive DIR] [--log NAME] LEDGER
    verify_ledger.py --batch FILE

LEDGER is a SQLite database, or the output of `buurtpoort audit export`; KEY is a text `name+hash+base64`,
FILE one a line (`buurtpoort audit head --keys`). Keys given with --key are the only ones believed; those in
an export are used where none is given, and prove no more than that the export agrees with itself.
The last key is the one that signs today: the head must be by it.
--batch reads one ledger a line (JSON: id, log, keys, checkpoints, head, entries) and prints one verdict a
line. Exit code 0 ok, 1 tampered (with the first bad entry), 2 incomplete, 3 usage.
"""
import argparse, base64, hashlib, json, os, re, sqlite3, sys, unicodedata

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("verify_ledger.py: the Python package `cryptography` is missing", file=sys.stderr)
    sys.exit(2)

EVENTS = """referral.accepted referral.refused referral.withdrawn release.intent release.done release.aborted
access.denied access.denied-more consent.given consent.refused consent.withdrawn assignment.made case.read case.transition
stats.published stats.read policy.loaded token.issued partner.changed key.rotated erase.done audit.read
audit.resumed restore.acknowledged config.changed operator.action support.registered support.read support.moved access.requested
pairing.made pairing.moved pairing.evaluated goals.changed case.corrected statistics.objected link.decided
report.received""".split()

# The one spelling of a leaf. Every text is a code; everything else is a number, a hash or null.
CODE, CODES = rb'"[A-Za-z0-9:._/-]{0,128}"', rb'\[(?:"[A-Za-z0-9:._/-]{0,128}"(?:,"[A-Za-z0-9:._/-]{0,128}"){0,63})?\]'
HEX = {n: rb'"[0-9a-f]{%d}"' % (2 * n) for n in (8, 16, 32)}
ID = rb'"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"'


def either(pattern):
    return rb'(?:%s|null)' % pattern


LEAF = re.compile(b''.join([
    rb'\{"v":1,"log":(?P<log>', CODE, rb'),"seq":(?P<seq>0|[1-9][0-9]{0,19}),"prev":(?P<prev>', HEX[32],
    rb'),"ts":(?P<ts>0|-?[1-9][0-9]{0,18}),"boot":(?P<boot>', HEX[8],
    rb'),"ev":"(?P<ev>', b'|'.join(re.escape(e.encode()) for e in EVENTS), rb')","out":"(?P<out>allow|deny|error)"',
    rb',"why":', CODE, rb',"actor":\{"org":', CODE, rb',"partner":', either(ID), rb',"role":', CODE,
    rb',"cert":', either(HEX[32]), rb',"sub":', CODE, rb',"jti":', either(HEX[32]),
    rb'\},"purpose":', CODE, rb',"basis":', CODE, rb',"obj":\{"kind":(?P<kind>', CODE,
    rb'),"ref":(?P<ref>', either(HEX[16]), rb')\},"fields":(?P<fields>', CODES,
    rb'),"policy":\{"hash":', either(HEX[32]), rb',"rules":', CODES,
    rb'\},"req":\{"id":', CODE, rb',"trace":', CODE, rb'\},"commit":', either(HEX[32]), rb'\}']))


class Tampered(Exception):
    def __init__(self, seq, rule):
        super().__init__(f"ledger entry {seq}: {rule}")
        self.seq, self.rule = seq, rule


def need(holds, seq, rule):
    if not holds:
        raise Tampered(seq, rule)


def sha256(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def unbase64(text):
    """Standard base64 with padding, in its one spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64")
    return data


class Edge:
    """Roots of the complete subtrees, largest first (RFC 6962)."""

    def __init__(self):
        self.size, self.hashes = 0, []

    def push(self, leaf):
        at = self.size
        while at & 1:
            leaf = sha256(b'\x01', self.hashes.pop(), leaf)
            at >>= 1
        self.hashes.append(leaf)
        self.size += 1

    def root(self):
        if not self.hashes:
            return sha256()
        right = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            right = sha256(b'\x01', left, right)
        return right

    def peaks(self):
        return b'\x01' + self.size.to_bytes(8, 'big') + b''.join(self.hashes)


def parts(log):
    """Stem and number of an epoch's name."""
    stem, _, number = log.rpartition('/')
    return (stem, int(number)) if re.fullmatch('0|[1-9][0-9]{0,9}', number) and '/' in log and int(number) < 2**32 else None


def follows(new, old):
    a, b = parts(new), parts(old)
    return bool(a and b and a[0] == b[0] and a[1] > b[1])


def key_id(name, key):
    return sha256(name.encode(), b'\n\x01', key)[:4]


def read_key(text):
    """The 32 bytes in `name+hash+base64`."""
    name, given, encoded = text.strip().split('+', 2)
    data = unbase64(encoded)
    if len(data) != 33 or data[0] != 1 or key_id(name, data[1:]).hex() != given:
        raise ValueError("key")
    return data[1:]


def read_note(text, keys):
    """Origin, size, root and signers of a signed note; ValueError for whatever is not signed by one of our keys."""
    if len(text.encode()) > 16384:
        raise ValueError("long")
    body, found, signatures = text.partition('\n\n')
    lines = body.split('\n')
    if not found or len(lines) != 3 or not signatures.endswith('\n'):
        raise ValueError("form")
    origin, size, root = lines[0], lines[1], unbase64(lines[2])
    odd = any(c.isspace() or unicodedata.category(c) == 'Cc' or c == '+' for c in origin)
    if odd or not 0 < len(origin.encode()) <= 255 or not re.fullmatch('0|[1-9][0-9]{0,19}', size) or len(root) != 32:
        raise ValueError("form")
    signed, verified = (body + '\n').encode(), []
    for line in signatures[:-1].split('\n'):
        if not line.startswith('— ') or ' ' not in line[2:]:
            raise ValueError("form")
        name, encoded = line[2:].split(' ', 1)
        blob = unbase64(encoded)
        if len(blob) < 4:
            raise ValueError("form")
        for key in keys:
            if name == origin and key_id(name, key) == blob[:4]:
                try:
                    Ed25519PublicKey.from_public_bytes(key).verify(blob[4:], signed)
                except InvalidSignature:
                    raise ValueError("signature") from None
                verified.append(sha256(key).hex())
    if not verified:
        raise ValueError("no known key")
    return origin, int(size), root, verified


def acknowledged(leaf):
    """Log, size and root that the first entry of an epoch owns up to having lost; None from any other."""
    if (leaf['ev'], leaf['out'], leaf['kind'], leaf['ref']) != (b'restore.acknowledged', b'allow', b'"log"', b'null'):
        return None
    found = re.fullmatch(rb'\["log:([^"]*)","size:(0|[1-9][0-9]{0,19})","root:([0-9a-f]{64})"\]', leaf['fields'])
    return found and (found[1].decode(), int(found[2]), bytes.fromhex(found[3].decode()))


def verify(log, keys, notes, head, entries):
    """Number of entries of an honest ledger; raises Tampered at the first rule that is broken."""
    edge, expected, last, epoch, prev = Edge(), {}, {}, None, bytes(32)
    signers, retired = [], {}

    def note(text, seq):
        try:
            origin, size, root, by = read_note(text, keys)
        except (ValueError, UnicodeError):
            raise Tampered(seq, "the checkpoint is signed by a known key") from None
        need(origin == log or follows(log, origin), seq, "the checkpoint is of this log")
        signers.append((size, by))
        return origin, size, root

    def passed():
        for place in [place for place in expected if place[0] == edge.size]:
            need(expected.pop(place) == edge.root(), edge.size, "the checkpoint states the root of the tree")

    for text in notes:
        origin, size, root = note(text, 0)
        need(expected.setdefault((size, origin), root) == root, size, "two checkpoints of one size have one root")
    passed()
    for seq, bytes_, leaf_hash, at_us, event, outcome, obj in entries:
        here = edge.size
        need(seq == here, here, "sequence numbers are gapless from 0")
        need(sha256(b'\0', bytes_) == leaf_hash, here, "the leaf hash is the hash of the leaf")
        leaf = LEAF.fullmatch(bytes_)
        need(leaf and int(leaf['seq']) < 2**64 and -2**63 <= int(leaf['ts']) < 2**63, here, "the leaf is a canonical entry")
        own, ts = leaf['log'][1:-1].decode(), int(leaf['ts'])
        need(own == log or follows(log, own), here, "the entry belongs to this log")
        if own != epoch:
            lost = acknowledged(leaf)
            if lost and follows(own, lost[0]):
                fits = epoch in (None, lost[0]) and (lost[1] > here or lost[1] == here and lost[2] == edge.root())
                need(fits, here, "a new epoch begins by acknowledging the head of the one before")
                for (size, origin), root in list(expected.items()):
                    if follows(own, origin):
                        del expected[size, origin]
                        need(size <= lost[1], here, "the log is as long as its checkpoint")
                        need(size < lost[1] or root == lost[2], here, "the checkpoint states the root of the tree")
            else:
                need(epoch is None, here, "a new epoch begins by acknowledging the head of the one before")
            epoch = own
        need(int(leaf['seq']) == here, here, "the entry states its own sequence number")
        need(leaf['prev'][1:-1].decode() == prev.hex(), here, "the entry carries the hash of the one before")
        need(last.get(leaf['boot'], ts) <= ts, here, "time does not run back within one process run")
        last[leaf['boot']] = ts
        ref = None if leaf['ref'] == b'null' else leaf['ref'][1:-1].decode()
        columns = (ts, leaf['ev'].decode(), leaf['out'].decode(), ref)
        need(columns == (at_us, event, outcome, obj), here, "the derived columns follow from the entry")
        if (leaf['ev'], leaf['out']) == (b'key.rotated', b'allow'):
            found = re.search(rb'"from:([^"]*)"', leaf['fields'])
            if found:
                retired.setdefault(found[1].decode(), here + 1)
        prev = leaf_hash
        edge.push(leaf_hash)
        passed()
    end = edge.size
    need(head['size'] == end, end, "the head states the number of entries")
    need(head['root'] == edge.root(), end, "the head states the root of the tree")
    need(head['log'] == log, end, "the head is of this log")
    need(head['peaks'] == edge.peaks() and head['last_hash'] == prev, end, "the head states the edge of the tree")
    need(epoch in (None, log), end, "the entry belongs to this log")
    origin, size, root = note(head['checkpoint'], end)
    today = sha256(keys[-1]).hex() in signers[-1][1]
    need(origin == log, end, "the checkpoint is of this log")
    need(size == end, end, "the log is as long as its checkpoint")
    need(root == head['root'], end, "the checkpoint states the root of the tree")
    need(not expected, end, "the log is as long as its checkpoint")
    need(today, end, "the checkpoint is signed by a key that still signs at its size")
    for size, by in sorted(signers):
        signs = any(size <= retired.get(key, size) for key in by)
        need(signs, size, "the checkpoint is signed by a key that still signs at its size")
    return end


def from_sqlite(path):
    # mode=ro and no more: a write-ahead log beside the file is read too.
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.execute("BEGIN")
    row = db.execute("SELECT log, size, root, peaks, last_hash, checkpoint FROM audit_head WHERE id = 1").fetchone()
    head = dict(zip(("log", "size", "root", "peaks", "last_hash", "checkpoint"), row))
    return head, [], db.execute("SELECT seq, leaf, leaf_hash, at_us, event, outcome, object FROM audit_entry ORDER BY seq")


def plain_head(head):
    return {**head, **{name: bytes.fromhex(head[name]) for name in ("root", "peaks", "last_hash")}}


def plain_entry(row):
    return (row[0], base64.b64decode(row[1]), bytes.fromhex(row[2]), *row[3:])


def from_export(path):
    lines = open(path, encoding="utf-8")
    first = json.loads(next(lines))
    if first.get("format") != "buurtpoort-ledger@v1":
        raise ValueError("not an export of a ledger")
    return plain_head(first["head"]), first["keys"], (plain_entry(json.loads(line)) for line in lines)


def batch(path):
    for line in sys.stdin if path == '-' else open(path, encoding="utf-8"):
        one = json.loads(line)
        try:
            keys = [read_key(text) for text in one["keys"]]
            verify(one["log"], keys, one["checkpoints"], plain_head(one["head"]), map(plain_entry, one["entries"]))
            print(json.dumps({"id": one["id"], "exit": 0}))
        except Tampered as found:
            print(json.dumps({"id": one["id"], "exit": 1, "seq": found.seq, "rule": found.rule}))


def main():
    parser = argparse.ArgumentParser(usage=__doc__, exit_on_error=False)
    parser.add_argument("ledger", nargs="?")
    for many in ("--key", "--checkpoint"):
        parser.add_argument(many, action="append", default=[])
    for one in ("--archive", "--log", "--batch"):
        parser.add_argument(one)
    try:
        args = parser.parse_args()
        if args.batch:
            return batch(args.batch) or 0
        if not args.ledger:
            raise ValueError("which ledger?")
        texts = []
        for key in args.key:
            texts += open(key).read().split() if os.path.exists(key) else [key]
        keys = [read_key(text) for text in texts]
        kept = list(args.checkpoint)
    except (argparse.ArgumentError, SystemExit, ValueError, OSError) as wrong:
        print(f"usage: {wrong}", file=sys.stderr)
        return 3
    try:
        # Before the ledger: whoever writes keeps a head only after it is committed.
        if args.archive:
            names = sorted(name for name in os.listdir(args.archive) if name.endswith(".note"))
            kept += [os.path.join(args.archive, name) for name in [*names, "latest"]]
        notes = [open(name, encoding="utf-8").read() for name in kept]
        sqlite = open(args.ledger, "rb").read(16) == b"SQLite format 3\0"
        head, own, entries = (from_sqlite if sqlite else from_export)(args.ledger)
        keys = keys or [read_key(text) for text in own]
        if not keys:
            print("usage: a database needs --key", file=sys.stderr)
            return 3
        count = verify(args.log or head["log"], keys, notes, head, entries)
    except Tampered as found:
        print(f"TAMPERED: {found}")
        return 1
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError, StopIteration) as wrong:
        print(f"INCOMPLETE: {type(wrong).__name__}: {wrong}")
        return 2
    print(f"ledger verified: {count} entries, {len(notes) or 'no'} heads kept elsewhere {'agree' if notes else 'were looked at'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
