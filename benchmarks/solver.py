"""Time and memory to find all permutation-equivariant maps between order-2 tensors, beside emlp.

Run ``python benchmarks/solver.py [--emlp PYTHON] [--n 5 10 30]``; PYTHON is the interpreter of an environment
with emlp. Each size runs in a process of its own; seconds are processor time, memory the growth of the
peak over the imports. Who does not finish a size in ``--limit`` seconds is not asked for larger ones. emlp's
progress bars are off: with a recent numpy they stop it. The results go to ``benchmarks/results/solver.json``.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time

import measuring


def ours(n):
    from equishare import groups, sharing

    sharing.solve(groups.symmetric(2).permutation(), groups.symmetric(2).permutation())  # lazy imports
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    points = groups.symmetric(n).permutation()
    pattern = sharing.solve(points * points, points * points)
    return (
        pattern.n_free,
        time.process_time() - start,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    )


def theirs(n):
    from emlp.groups import S
    from emlp.reps import V

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    rep = V(S(n)) * V(S(n))
    basis = (rep >> rep).equivariant_basis()
    return (
        basis.shape[-1],
        time.process_time() - start,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emlp", help="python of an environment with emlp")
    parser.add_argument("--n", type=int, nargs="+", default=[5, 10, 20, 30, 40])
    parser.add_argument("--limit", type=int, default=300, help="processor seconds for each size")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        who, n = arguments.run
        resource.setrlimit(resource.RLIMIT_CPU, (arguments.limit, arguments.limit))
        count, seconds, kilobytes = {"ours": ours, "theirs": theirs}[who](int(n))
        found = {"base weights": count, "seconds": seconds, "MB": kilobytes / 1024}
        print(json.dumps(found | {"versions": measuring.machine("torch", "equishare", "emlp", "jax")["versions"]}))
        return
    print(f"{'n':>4s} {'weights':>12s} {'who':>10s} {'base weights':>13s} {'seconds':>9s} {'MB':>8s}")
    contestants = [("ours", sys.executable)] + ([("theirs", arguments.emlp)] if arguments.emlp else [])
    rows: list[dict] = []
    out_of_time: set[str] = set()
    for n in arguments.n:
        for who, python in contestants:
            if who in out_of_time:
                continue
            command = [python, os.path.abspath(__file__), "--limit", str(arguments.limit), "--run", who, str(n)]
            label = {"ours": "equishare", "theirs": "emlp"}[who]
            environment = {**os.environ, "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
            out = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if out.returncode:
                last = out.stderr.strip().splitlines()[-1] if out.stderr.strip() else f"signal {-out.returncode}"
                late = out.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
                reason = f"not finished in {arguments.limit} s" if late else f"failed: {last[:80]}"
                out_of_time |= {who} if late else set()
                rows.append({"n": n, "who": label, "failed": reason})
                print(f"{n:4d} {n**4:12,d} {label:>10s} {reason}", flush=True)
                continue
            found = json.loads(out.stdout.splitlines()[-1])
            rows.append({"n": n, "who": label} | found)
            count, seconds, megabytes = found["base weights"], found["seconds"], found["MB"]
            print(f"{n:4d} {n**4:12,d} {label:>10s} {count:13d} {seconds:9.3f} {megabytes:8.0f}", flush=True)
    measuring.write("solver", {"machine": measuring.machine(), "rows": rows})


if __name__ == "__main__":
    main()
