"""The table of rules: the name that the output's ``reason`` shows, and what carries the rule out."""

from recsys.choices import Choices

RULES: Choices[object] = Choices(
    "rule",
    {
        "seen": "recsys.retrieval.retriever:seen_items",
        "allow": "recsys.retrieval.rules.eligible:eligible_items",
        "deny": "recsys.retrieval.rules.eligible:eligible_items",
        "where": "recsys.retrieval.rules.conditions:matching",
        "unlisted": "recsys.retrieval.rules.eligible:eligible_items",
        "availability": "recsys.retrieval.rules.items.availability:available",
        "freshness": "recsys.retrieval.rules.items.freshness:fresh",
        "candidates": "recsys.retrieval.rules.pairs.own_candidates:OwnCandidates",
        "exclusions": "recsys.retrieval.rules.pairs.user_lists:UserLists",
        "blocked": "recsys.retrieval.rules.pairs.blocked:blocked_items",
        "boosts": "recsys.retrieval.rules.boosts:BoostedRanker",
        "group": "recsys.retrieval.rules.ranking.caps:CapRule",
        "caps": "recsys.retrieval.rules.ranking.caps:CapRule",
        "at_least": "recsys.retrieval.rules.ranking.at_least:AtLeastRule",
        "diversity": "recsys.retrieval.rules.ranking.diversity:DiversityRule",
        "calibration": "recsys.retrieval.rules.ranking.calibration:CalibrationRule",
        "exploration": "recsys.retrieval.rules.ranking.exploration:Exploration",
        "fallback": "recsys.retrieval.fallback:Fallback",
    },
)
