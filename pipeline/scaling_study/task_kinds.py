"""The kinds of tasks in a graph, by number."""

# What tasks do, as `task_timing.task_kind` calls them; from `CLIENT` on what the client does while it waits.
KINDS = (
    *("read", "pick", "send", "statistics", "merge-statistics", "train", "losses", "merge-share", "merge-lanes"),
    *("merge-hand_over", "evaluate", "merge-evaluate", "importance"),
    *("begin", "window", "learn", "round", "judge", "sample", "end"),
)
KIND = {name: number for number, name in enumerate(KINDS)}
READ, PICK, SEND, STATISTICS, MERGE_STATISTICS, TRAIN, LOSSES, SHARE, MERGE_LANES, HAND_OVER = range(10)
EVALUATE, MERGE_EVALUATE, IMPORTANCE, BEGIN, WINDOW_DONE, LEARN, ROUND, JUDGE, SAMPLE, END = range(10, 20)
CLIENT = BEGIN
