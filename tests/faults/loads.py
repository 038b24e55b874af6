"""Loads that nobody can send: on the command line of the load generator, and in a scenario's LOAD."""

import shlex

from tests.faults import Fault
from tests.processes import changed

NO_NUMBERS = ("0", "-1", "x", "", "1e400", "nan", "inf", "²", "1" * 400, "0x10", "1;2", "-0.0")
NUMBERS = ("-n", "-c", "-t", "-s", "--users", "--spawn-rate", "--rate", "--grace", "--expect-status")
ALONE = {  # what cannot be sent, and what is said
    "--users 5": "--users and --spawn-rate need each other",
    "--spawn-rate 5": "--users and --spawn-rate need each other",
    "--users 5 --spawn-rate 5": "needs a duration",
    "--users 5 --spawn-rate 5 -t 1 -n 5": "takes no -n and no -c",
    "--users 5 --spawn-rate 5 -t 1 -c 5": "takes no -n and no -c",
    "--users 5 --rate 5 -t 1": "--users",
    "--grace 1": "--grace needs --rate or --stages",
    "--rate 5": "--rate needs an end",
    "--rate 1e6 -t 1": "'1e6' is not a rate between 0.000001 and 200,000 a second",
    "--rate 1e308 -t 100": "is not a rate",
    "--rate 1e-320 -n 1": "is not a rate",
    "--rate 5 -t 1 --stages 1s@5": "--stages has its own rates",
    "--stages 1s@5 -t 1": "leave out -t and -n",
    "--stages 1s@5 -n 1": "leave out -t and -n",
    "--stages x": "are not stages",
    "--stages ''": "are not stages",
    "--stages 1s@": "are not stages",
    "--stages @5": "are not stages",
    "--stages 1h@5": "are not stages",
    "--stages -1s@5": "expected one argument",
    "--stages 0s@5": "are not stages",
    "--stages nans@5": "are not stages",
    "--stages 1s@inf": "are not stages",
    "--stages 1s@5,": "are not stages",
    "--stages 1e300s@1e300": "at most 200,000",
    "--stages 1e304s@1": "are not stages",
    "--stages 1e15s@1": "1,000,000,000,000,000 requests would be due, and a record holds 20,000,000",
    "--rate 200000 -t 101": "20,200,000 requests would be due",
    "--rate 1 -n 20000001 --poisson": "20,000,001 requests would be due",
    "-n 20000001": "-n 20000001: a record holds 20,000,000 requests",
    "--rate 1 -n 1" + "0" * 400: "is not a whole number",
    "--poisson": "--poisson",
    "-n 5 -c 6": "-c 6 is greater than -n 5",
    "-m ''": "is not an HTTP method",
    "-m 'GET /'": "is not an HTTP method",
    "-m ü": "is not an HTTP method",
    "-p /no/such/file": "cannot read /no/such/file: No such file or directory",
    "-p /": "cannot read /: Is a directory",
    "-d a=b -p /dev/null": "-d and -p both give the body",
    "-T 'text\x01'": "is not a header",
    "-H x": "is not a header",
    "-H ''": "is not a header",
    "-H :": "is not a header",
    "-H ': x'": "is not a header",
    "-H 'A B: c'": "'A B: c' is not a header",
    "-H 'A: \x1b'": "is not a header",
    "-H 'A: ü'": "is not a header",
    "-H 'Ü: a'": "is not a header",
    "--no-such-option": "unrecognized arguments: --no-such-option",
    "-z": "unrecognized arguments: -z",
    "--rat 5": "unrecognized arguments",
}
IN_A_LINE = {  # of ends of a load line
    "": "required: path",
    "x": "must be a path that begins with '/'",
    "/ü": "percent-encode",
    "'/a b'": "percent-encode",
    "'/a\x7f'": "percent-encode",
    "/ /": "unrecognized arguments",
    "/ -n 5": "must be a path",
    "http://127.0.0.1/": "must be a path that begins with '/'",
    "'/": "No closing quotation",
    "/\\": "No escaped character",
    "-h /": "unrecognized arguments: -h",
    "--json x /": "unrecognized arguments",
}
URLS = {
    "": "not a URL",
    "x": "not a URL",
    "/": "not a URL",
    "ftp://127.0.0.1/": "not a URL with scheme and host",
    "http://": "not a URL with scheme and host",
    "http:///": "not a URL with scheme and host",
    "http://:80/": "not a URL with scheme and host",
    "http://[::1": "not a URL",
    "http://[x]/": "not a URL",
    "http://127.0.0.1:0/": "not a URL with scheme and host",
    "http://127.0.0.1:99999/": "not a URL",
    "http://127.0.0.1:-1/": "not a URL",
    "http://127.0.0.1:x/": "not a URL",
    "'http://exa mple/'": "not a URL",
    "http://exämple/": "not a URL",
    "http://no-such-host.invalid/": "no address for host 'no-such-host.invalid'",
    "http://" + "x" * 70 + "/": "no address for host",
    "http://a..b/": "no address for host",
    "http://.../": "no address for host",
    "http://user:secret@127.0.0.1/": "user and password are not sent",
    "'http://127.0.0.1/a\x7f'": "not a URL that can be sent",
    "{url}/ok {url}/ok": "unrecognized arguments",
}
TARGETS = (
    "x",
    "p99",
    "p99<",
    "p99<=x",
    "p101<=5ms",
    "p99<=0ms",
    "p99<=nan",
    "p99<=-5ms",
    "failed<=1%",
    "p99 <= ",
    "p<=5ms",
    "p99>=5ms",
    "",
)
FINDS = {
    "-n 5": "leave out -n",
    "--users 5 --spawn-rate 5": "leave out -n",
    "--stages 1s@5": "leave out -n",
    "--grace 5": "leave out -n",
    "-e x": "leave it out",
    "--rate 1e6 -t 2": "is not a rate",
}


def in_a_scenario(line: str) -> str:
    return changed(('["-n 20 -c 2 --expect ok /"]', repr([line])), ('STUDY = "tests"', 'STUDY = "{name}"'))


LOADS = [
    *[
        Fault(f"{option} {number[:9]}", f"loadgen {option} '{number}' {{url}}/ok", said=f"argument {option}", pure=True)
        for option in NUMBERS
        for number in NO_NUMBERS
    ],
    *[Fault(f"load {words[:40]!a}", f"loadgen {words} {{url}}/ok", said=said, pure=True) for words, said in ALONE.items()],
    *[Fault(f"URL {words[:40]!a}", f"loadgen {words}" if words else "loadgen ''", said=said, pure=True) for words, said in URLS.items()],
    Fault("no URL", "loadgen", said="required: URL", pure=True),
    Fault("an option without its value", "loadgen {url}/ok -n", said="expected one argument", pure=True),
    *[Fault(f"rate for {words}", f"loadgen --find-rate {shlex.quote(words)} {{url}}/ok", said=": ", pure=True) for words in TARGETS],
    *[
        Fault(f"rate with {words}", f"loadgen --find-rate 'p99<=9ms' {words} {{url}}/ok", said=said, pure=True)
        for words, said in FINDS.items()
    ],
    Fault("a form that is not UTF-8", "loadgen -d \"$(printf '\\377')\" {url}/ok", said="is not UTF-8", cheap=True),
    Fault("an expectation that is not UTF-8", "loadgen --expect \"$(printf '\\377')\" {url}/ok", said="is not UTF-8", cheap=True),
    Fault("a URL that is not UTF-8", "loadgen \"{url}/$(printf '\\377')\"", said="not a URL that can be sent", cheap=True),
    Fault("a header that is not UTF-8", "loadgen -H \"A: $(printf '\\377')\" {url}/ok", said="is not a header"),
    Fault("a method that is not UTF-8", "loadgen -m \"$(printf '\\377')\" {url}/ok", said="is not an HTTP method"),
    Fault("an unknown option that is not UTF-8", "loadgen \"--$(printf '\\377')\" {url}/ok", said="unrecognized arguments"),
    Fault("a file to send that is not UTF-8", "loadgen -p \"/$(printf '\\377')\" {url}/ok", said="is not UTF-8"),
    Fault("a record whose name is not UTF-8", "loadgen -q --json \"{here}/$(printf '\\377')\" {url}/ok", (0,), leaves=("\udcff",)),
    *[
        Fault(f"LOAD {line[:40]!a}", "scenario", said="load", scenario=in_a_scenario(line), pure=True)
        for line in [*(f"{words} /" for words in ALONE), *(f"{option} 0 /" for option in NUMBERS), *IN_A_LINE]
    ],
    # what can be sent, and is not answered in its time
    Fault("the highest rate of all", "loadgen -q --rate 200000 -t 0.5 {url}/ok", (1,), cheap=True),
    Fault("the highest rate, at a silent server", "loadgen -q --rate 200000 -t 1 --grace 0.5 -c 50 {url}/silent", (1,), cheap=True),
    Fault("nothing in its time", "loadgen -q -n 5 -t 0.3 {url}/silent", (1,), cheap=True),
    Fault("nothing in no time", "loadgen -q -n 5 -t 1e-9 {url}/silent", (1,), cheap=True),
    Fault("nothing in the least time of all", "loadgen -q -n 5 -t 1e-320 {url}/silent", (1,)),
    Fault("a timeout of no time", "loadgen -q -n 5 -s 1e-320 {url}/silent", (1,)),
    Fault("the longest time of all", "loadgen -q -n 5 -t 1e15 -s 1e15 {url}/ok", (0,)),
    Fault("the longest grace", "loadgen -q --rate 100 -n 5 --grace 1e15 {url}/ok", (0,)),
    Fault("a second's ramp of no speed", "loadgen -q --users 5 --spawn-rate 1e-320 -t 0.3 {url}/ok", (0,)),
    Fault("a ramp at once", "loadgen -q --users 5 --spawn-rate 1e15 -t 0.3 {url}/ok", (0,)),
    Fault("a million stages", "loadgen -q --stages $(yes 0.000001s@1 | head -1000 | paste -sd,) {url}/ok", (0, 1)),
    Fault("too many at once", "loadgen -q -t 1 -c 1000000000 {url}/ok", said="file descriptors, but the limit is", cheap=True),
    Fault("more at once than may be", "ulimit -n 100; loadgen -q -n 500 -c 500 {url}/ok", said="lower -c or raise `ulimit -n`"),
    Fault("hardly any memory", "ulimit -v 100000; loadgen -q -n 5 {url}/ok", (1, 2, 134, 137, 139), said=None, seconds=30),
    Fault("nobody listens", "loadgen -q -n 5 http://127.0.0.1:1/", (1,)),
    Fault("nobody is there", "loadgen -q -n 2 -s 0.5 http://127.0.0.255:1/", (1,)),
    Fault("TLS where there is none", "loadgen -q -n 2 -s 2 $(echo {url} | sed s/http/https/)/ok", (1,)),
]
