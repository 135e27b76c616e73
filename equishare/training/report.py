from pathlib import Path
def write_report(run, console):
    return None
