"""Every loss, through the same tests."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recsys.losses import LOSSES, LossBatch, SeenRanges
from recsys.losses.gradients import LOGITS
from recsys.negatives import NEGATIVES
from recsys.seeding import stream
from recsys.training.ahead import moved


def case(seed=0, n=7, items=20, dim=5, m=12, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    users = torch.randn(n, dim, generator=generator, dtype=dtype)
    table = torch.randn(items, dim, generator=generator, dtype=dtype)
    targets = torch.randint(items, (n,), generator=generator)
    rows = torch.randint(items, (m,), generator=generator)
    return users, table, targets, rows


def softmax_reference(users, table, targets, rows, log_q):
    losses = []
    for user, target in zip(users, targets, strict=True):
        kept = [(user @ table[r]) - q for r, q in zip(rows, log_q, strict=True) if r != target]
        losses.append(torch.logsumexp(torch.stack([*kept, user @ table[target]]), 0) - user @ table[target])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_better_positive_lowers_the_loss_and_gradients_are_finite(name):
    users, table, targets, rows = case()
    better = table[targets] + 0.1 * users
    log_q = torch.full((len(rows),), float(np.log(len(rows) / len(table))))
    loss = LOSSES[name]()
    assert loss(LossBatch(users, table[rows], better, rows, targets, log_q)) < loss(
        LossBatch(users, table[rows], table[targets], rows, targets, log_q)
    )
    users.requires_grad_(True)
    loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q)).backward()
    assert torch.isfinite(users.grad).all()


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_drawn_positive_is_not_a_negative(name):
    users, table, targets, _ = case(n=1)
    rows = torch.cat([targets, targets + 1]) % 20
    log_q = torch.zeros(2)
    moved = table.clone()
    candidates = moved[rows].clone()
    candidates[0] += 3
    loss = LOSSES[name]()
    a = loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q))
    b = loss(LossBatch(users, candidates, table[targets], rows, targets, log_q))
    assert torch.equal(a, b)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("size", [1.0, 40.0])
@pytest.mark.parametrize("name", list(LOSSES))
def test_what_was_seen_is_as_good_as_not_drawn(name, size, smoothing):
    if smoothing and name in ("bpr", "gbce"):
        pytest.skip("a loss without a probability to spread")
    users, table, targets, rows = case(dtype=torch.float64)
    rows[3] = targets[0]
    seen = SeenRanges(*(torch.tensor(part) for part in ([1, 2, 5, 6], [3, 3, 7, 7], [1, 4, 0, 11])))
    excluded = {1: [1], 2: [1, 4], 5: [0], 6: [0, 11]}
    sure = name in ("full_softmax", "sampled_softmax")
    log_q = torch.linspace(-1, 1, len(rows), dtype=torch.float64) * sure
    loss = LOSSES[name](label_smoothing=smoothing) if smoothing else LOSSES[name]()
    kept = [[c for c in range(len(rows)) if c not in excluded.get(n, [])] for n in range(len(users))]
    terms = torch.tensor([float((rows[c] != target).sum()) for c, target in zip(kept, targets, strict=True)])
    terms = {"bpr": terms / terms.sum(), "gbce": torch.tensor([(len(c) + 1) / 13 for c in kept]) / len(users)}
    grads = []
    for at_once in (True, False):
        u, t = (users * size).requires_grad_(True), table.clone().requires_grad_(True)
        if at_once:
            value = loss(LossBatch(u, t[rows], t[targets], rows, targets, log_q, seen=seen))
        else:
            one = [
                loss(LossBatch(u[n : n + 1], t[rows[c]], t[targets[n : n + 1]], rows[c], targets[n : n + 1], log_q[c]))
                for n, c in enumerate(kept)
            ]
            value = (torch.stack(one) * terms.get(name, 1 / len(u))).sum()
        value.backward()
        grads.append((value.detach(), u.grad, t.grad))
    for fast, slow in zip(*grads, strict=True):
        torch.testing.assert_close(fast, slow, rtol=2e-4, atol=1e-5 * size)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("name", list(LOSSES))
def test_what_was_seen_is_masked_in_every_block_and_for_owners(name, smoothing, monkeypatch):
    if smoothing and name in ("bpr", "gbce"):
        pytest.skip("a loss without a probability to spread")
    users, table, targets, rows = case(n=100, m=9, dtype=torch.float64)
    start, size = torch.sort(torch.randint(90, (40,), generator=torch.Generator().manual_seed(1))).values, 8
    seen = SeenRanges(start, start + size, torch.arange(40) % 9)
    log_q = torch.zeros(9)
    loss = LOSSES[name](label_smoothing=smoothing) if smoothing else LOSSES[name]()
    whole = loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q, seen=seen))
    owned = loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q, torch.arange(100), seen))
    monkeypatch.setitem(LOGITS, "cpu", 1)  # blocks of 32
    parts = loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q, seen=seen))
    torch.testing.assert_close(owned, whole)
    torch.testing.assert_close(parts, whole)
    assert abs(whole - loss(LossBatch(users, table[rows], table[targets], rows, targets, log_q))) > 1e-3


def test_where_all_candidates_were_seen_nothing_is_smoothed():
    users, table, targets, rows = case(n=2)
    seen = SeenRanges(torch.zeros(12, dtype=torch.long), torch.full((12,), 2), torch.arange(12))
    users.requires_grad_(True)
    value = LOSSES["sampled_softmax"](label_smoothing=0.2)(
        LossBatch(users, table[rows], table[targets], rows, targets, torch.zeros(12), seen=seen)
    )
    value.backward()
    assert value.detach() == pytest.approx(0, abs=1e-6)
    assert users.grad.abs().max() < 1e-6


@pytest.mark.parametrize(("left", "spread"), [(1, 0.0), (3, 0.2), (40, 0.2)])
def test_smoothing_keeps_its_digits_where_almost_all_was_seen(left, spread):
    """Of 2,000 candidates; with one left there is nothing to spread over."""
    users, table, targets, rows = case(n=1, m=2_000, dtype=torch.float64)
    start = torch.zeros(2_000 - left, dtype=torch.long)
    seen = SeenRanges(start, start + 1, torch.arange(left, 2_000))
    log_q = torch.zeros(2_000)
    fast, slow = (users.to(kind).requires_grad_(True) for kind in (torch.float32, torch.float64))
    table32 = table.float()
    losses = (
        LOSSES["sampled_softmax"](label_smoothing=0.2)(
            LossBatch(fast, table32[rows], table32[targets], rows, targets, log_q, seen=seen)
        ),
        LOSSES["sampled_softmax"](label_smoothing=spread)(
            LossBatch(slow, table[rows[:left]], table[targets], rows[:left], targets, log_q[:left])
        ),
    )
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-4)
    torch.testing.assert_close(fast.grad.double(), slow.grad, rtol=1e-3, atol=1e-4)


def smoothed_reference(users, table, targets, rows, log_q, smoothing):
    """Log-probabilities of the target and of the candidates, each weighed by how many items it stands for."""
    weight = torch.softmax(-log_q, 0)
    losses = []
    for user, target in zip(users, targets, strict=True):
        mass = softmax_reference(user[None], table, target[None], rows, log_q) + user @ table[target]
        losses.append(mass - (1 - smoothing) * (user @ table[target]) - smoothing * (weight @ (table[rows] @ user)))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("size", [1.0, 40.0])  # long vectors' logits would overflow unless the highest is taken off
def test_sampled_softmax_and_its_gradients_equal_the_slow_reference(smoothing, size):
    users, table, targets, rows = case()
    rows[3] = targets[0]
    users = users * size
    log_q = torch.linspace(-1, 1, len(rows))
    grads = []
    for compute in ("fast", "slow"):
        u, t = users.clone().requires_grad_(True), table.clone().requires_grad_(True)
        if compute == "fast":
            loss = LOSSES["sampled_softmax"](label_smoothing=smoothing)(
                LossBatch(u, t[rows], t[targets], rows, targets, log_q)
            )
        else:
            loss = smoothed_reference(u, t, targets, rows, log_q, smoothing)
        (2 * loss).backward()
        grads.append((loss.detach(), u.grad, t.grad))
    for fast, slow in zip(*grads, strict=True):
        torch.testing.assert_close(fast, slow, rtol=2e-4, atol=1e-5 * size)


@pytest.mark.parametrize("name", ["bpr", "gbce"])
def test_gradients_equal_the_slow_reference(name):
    users, table, targets, rows = case(dtype=torch.float64)
    rows[3] = targets[0]
    log_q = torch.full((len(rows),), float(np.log(len(rows) / 19)), dtype=torch.float64)

    def slow(u, t):
        total, terms = 0.0, 0
        beta = (len(rows) / 19) * (0.75 * (1 - 19 / len(rows)) + 19 / len(rows))
        for user, target in zip(u, targets, strict=True):
            positive = user @ t[target]
            negatives = [user @ t[r] for r in rows if r != target]
            if name == "bpr":
                total += sum(-torch.log(torch.sigmoid(positive - n)) for n in negatives)
                terms += len(negatives)
            else:
                total += -beta * torch.log(torch.sigmoid(positive)) - sum(
                    torch.log(1 - torch.sigmoid(n)) for n in negatives
                )
                terms += len(rows) + 1
        return total / terms

    loss = LOSSES[name]()
    grads = []
    for compute in (lambda u, t: loss(LossBatch(u, t[rows], t[targets], rows, targets, log_q)), slow):
        u, t = users.clone().requires_grad_(True), table.clone().requires_grad_(True)
        value = compute(u, t)
        value.backward()
        grads.append((value.detach(), u.grad, t.grad))
    for fast, reference in zip(*grads, strict=True):
        torch.testing.assert_close(fast, reference)


@pytest.mark.parametrize("size", [1.0, 40.0])
@pytest.mark.parametrize("name", list(LOSSES))
def test_a_user_who_owns_many_positions_is_as_good_as_one_vector_a_position(name, size):
    users, table, targets, rows = case(n=60, m=40)
    users, rows[3] = users[:9] * size, targets[0]
    owners = torch.sort(torch.randint(9, (60,), generator=torch.Generator().manual_seed(1))).values
    full = name == "full_softmax"
    rows = torch.arange(20) if full else rows
    log_q = None if full else torch.full((40,), float(np.log(40 / 20)))
    grads = []
    for shared in (True, False):
        u, t = users.clone().requires_grad_(True), table.clone().requires_grad_(True)
        asking = (u,) if shared else (u[owners],)
        who = {"owners": owners} if shared else {}
        loss = LOSSES[name]()(LossBatch(*asking, t[rows], t[targets], rows, targets, log_q, **who))
        loss.backward()
        grads.append((loss.detach(), u.grad, t.grad))
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected, rtol=5e-4, atol=1e-5 * size)


def test_full_softmax_is_cross_entropy():
    users, table, targets, _ = case(n=2500)
    loss = LOSSES["full_softmax"]()(LossBatch(users, table, table[targets], torch.arange(20), targets, None))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(users @ table.T, targets))
    smoothed = LOSSES["full_softmax"](label_smoothing=0.1)
    torch.testing.assert_close(
        smoothed(LossBatch(users, table, table[targets], torch.arange(20), targets, None)),
        torch.nn.functional.cross_entropy(users @ table.T, targets, label_smoothing=0.1),
    )


@pytest.mark.parametrize("sampler", ["uniform", "popularity", "mixed"])
def test_with_many_samples_the_sampled_softmax_approaches_the_full_one(sampler):
    users, table, targets, _ = case()
    counts = np.arange(1, 21)
    drawn = NEGATIVES[sampler](counts, 400_000).sample(stream(0).choice(20, 400_000, p=counts / 210), stream(1))
    rows, log_q = torch.from_numpy(drawn.rows), torch.from_numpy(drawn.log_q)
    grads = []
    for loss_rows, correction in ((rows, log_q), (torch.arange(20), None)):
        u = users.clone().requires_grad_(True)
        loss = LOSSES["sampled_softmax"]()(
            LossBatch(u, table[loss_rows], table[targets], loss_rows, targets, correction)
        )
        loss.backward()
        grads.append((loss.detach(), u.grad))
    torch.testing.assert_close(grads[0][0], grads[1][0], rtol=0.01, atol=0.01)
    torch.testing.assert_close(grads[0][1], grads[1][1], rtol=0.02, atol=0.005)


@pytest.mark.parametrize("sampler", ["uniform", "popularity", "mixed"])
def test_gbce_reads_the_share_of_the_catalogue_however_the_negatives_are_drawn(sampler):
    counts = np.random.default_rng(0).lognormal(3, 1.2, 2000).astype(np.int64) + 1
    drawn = NEGATIVES[sampler](counts, 500).sample(stream(0).choice(2000, 500, p=counts / counts.sum()), stream(1))
    rows, log_q = torch.from_numpy(drawn.rows), torch.from_numpy(drawn.log_q)
    zeros = torch.zeros(1, 4)  # every term is log 2, but the positive's is beta times that
    loss = LOSSES["gbce"](t=1.0)(LossBatch(zeros, torch.zeros(len(rows), 4), zeros, rows, torch.tensor([2000]), log_q))
    beta = float(loss) / np.log(2) * (len(rows) + 1) - len(rows)
    assert beta == pytest.approx(len(rows) / 2000, rel=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("size", [1.0, 40.0])
@pytest.mark.parametrize("name", list(LOSSES))
def test_a_position_of_weight_two_counts_like_two_positions(name, size, smoothing, monkeypatch):
    if smoothing and name in ("bpr", "gbce"):
        pytest.skip("a loss without a probability to spread")
    monkeypatch.setitem(LOGITS, "cpu", 1)
    users, table, targets, rows = case(n=40, dtype=torch.float64)
    rows = torch.arange(20)  # each item once, so that every position has as many negatives
    weights = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(2))
    twice = torch.repeat_interleave(torch.arange(40), weights)
    log_q = torch.zeros(len(rows), dtype=torch.float64)
    loss = LOSSES[name](label_smoothing=smoothing) if smoothing else LOSSES[name]()
    grads = []
    for positions, given in ((torch.arange(40), weights.double()), (twice, None)):
        u, t = (users * size).requires_grad_(True), table.clone().requires_grad_(True)
        at = targets[positions]
        value = loss(LossBatch(u[positions], t[rows], t[at], rows, at, log_q, weights=given)) * len(positions)
        value.backward()
        grads.append((value.detach(), u.grad, t.grad))
    for fast, slow in zip(*grads, strict=True):
        torch.testing.assert_close(fast, slow, rtol=2e-4, atol=1e-4 * size)


def on(device, batch):
    return moved(batch, lambda part: part.to(device))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 40.0])
@pytest.mark.parametrize("name", list(LOSSES))
def test_the_loss_and_its_gradients_on_a_device_are_those_of_double_precision_to_four_digits(
    name, size, weighted, device
):
    users, table, targets, rows = case(n=50, m=30)
    seen = SeenRanges(*(torch.tensor(part) for part in ([1, 2, 5, 6], [3, 3, 17, 27], [1, 4, 0, 11])))
    weights = torch.linspace(0.5, 2, 50) if weighted else None
    log_q = torch.linspace(-1, 1, 30) * (name in ("full_softmax", "sampled_softmax"))
    found = []
    for where, kind in ((device, torch.float32), ("cpu", torch.float64)):
        u, c, p = (part.to(where, kind).requires_grad_() for part in (users * size, table[rows], table[targets]))
        given = on(where, LossBatch(u, c, p, rows, targets, log_q, seen=seen, weights=weights))
        loss = LOSSES[name]()(replace(given, users=u, candidates=c, positives=p))
        loss.backward()
        found.append([part.detach().cpu().double() for part in (loss, u.grad, c.grad, p.grad)])
    for single, double in zip(*found, strict=True):
        torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("name", list(LOSSES))
def test_under_autocast_the_loss_of_halves_is_computed_in_single_precision(name, smoothing, device):
    if smoothing and name in ("bpr", "gbce"):
        pytest.skip("a loss without a probability to spread")
    users, table, targets, rows = case(n=50, m=30)
    seen = SeenRanges(*(torch.tensor(part) for part in ([1, 2, 5, 6], [3, 3, 17, 27], [1, 4, 0, 11])))
    loss = LOSSES[name](label_smoothing=smoothing) if smoothing else LOSSES[name]()
    batch = on(device, LossBatch(users, table[rows], table[targets], rows, targets, torch.zeros(30), seen=seen))
    halves = [part.bfloat16().requires_grad_() for part in (batch.users, batch.candidates, batch.positives)]
    found = []
    for under_autocast in (True, False):
        u, c, p = halves if under_autocast else (part.detach().float() for part in halves)
        with torch.autocast(device, torch.bfloat16, enabled=under_autocast):
            found.append(loss(replace(batch, users=u, candidates=c, positives=p)))
    assert found[0].dtype == torch.float32
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)
    found[0].backward()
    assert all(part.grad.isfinite().all() for part in halves)
