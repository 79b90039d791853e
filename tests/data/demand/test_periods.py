"""Time cut into periods."""

import numpy as np

from recsys.data.demand.periods import DAY, Periods
from recsys.data.synthetic.seasonal import MONDAY


def test_the_last_period_ends_with_the_last_event_and_all_are_whole():
    periods = Periods.up_to(np.array([100, 149, 171]), seconds=30)
    assert (periods.start, periods.n) == (82, 3)
    assert periods.of(np.array([82, 111, 112, 171])).tolist() == [0, 0, 1, 2]


def test_calendar_weeks_start_on_a_monday():
    periods = Periods.calendar(np.array([MONDAY - 1, MONDAY, MONDAY + 7 * DAY]), 7 * DAY)
    assert (periods.start, periods.n) == (MONDAY - 7 * DAY, 3)


def test_events_are_counted_by_row_and_period_and_others_are_left_out():
    periods = Periods(0, 10, 4).last(2)
    counts = periods.counts(np.array([0, 0, 2, 1]), np.array([25, 29, 30, 5]), 3)
    assert counts.toarray().tolist() == [[2, 0], [0, 0], [0, 1]]
    assert np.diff(counts.indptr).tolist() == [1, 0, 1]


def test_a_season_is_seen_when_it_came_twice_and_a_period_is_at_most_half_of_it():
    assert Periods(0, DAY, 14).angles().shape == (15, 1)
    assert Periods(0, DAY, 13).angles().shape == (14, 0)
    assert Periods(0, 7 * DAY, 104).angles().shape == (105, 0)
    assert Periods(0, 7 * DAY, 105).angles().shape == (106, 1)
    assert Periods(0, DAY // 4, 4 * 14).angles().shape == (57, 2)


def test_an_angle_is_where_the_middle_of_the_period_stands_in_the_season():
    angles = Periods(4 * DAY, DAY, 14).angles()[:, 0] / (2 * np.pi)
    np.testing.assert_allclose(angles[:2], [4.5 / 7, 5.5 / 7])
    np.testing.assert_allclose(angles[0], angles[7])
    np.testing.assert_allclose(angles[14], angles[7])
