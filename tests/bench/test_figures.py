# SPDX-License-Identifier: MIT
"""The arithmetic of ./dev bench."""
import os
import sys
import tempfile
import unittest
import unittest.mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "bench"))

from harness import calls, check, figures, goals, instructions, main, measure, page, peers, plan, plot, report  # noqa: E402


def peer(family, *values, noisy=(), metric="ns_per_op"):
    """A peer with one run a round, the noisy ones named by round."""
    return {"family": family,
            "runs": [{"round": number, "noisy": number in noisy, "metrics": {metric: value}}
                     for number, value in enumerate(values, 1)]}


def results(peers, key="ns_per_op", checked=None):
    workload = {"title": "One after another", "key": key, "check": checked or key, "columns": [], "noise": 0.1,
                "floors": [], "units": {key: "ns"}, "failed": {}, "cases": {"one": {"peers": peers}}}
    return {"workloads": {"chain": workload}}


class Figures(unittest.TestCase):
    def test_a_ratio_is_of_two_figures_of_the_same_round(self):
        ours, theirs = {1: 10.0, 2: 50.0, 3: 12.0}, {1: 5.0, 2: 25.0, 4: 1.0}
        self.assertEqual(figures.ratios_by_round(ours, theirs), [2.0, 2.0])

    def test_above_one_is_worse_whichever_way_a_figure_points(self):
        self.assertEqual(figures.ratios_by_round({1: 10.0}, {1: 20.0}, higher=True), [2.0])
        self.assertTrue(figures.higher_is_better("messages_per_s"))
        self.assertFalse(figures.higher_is_better("ns_per_op"))

    def test_nothing_is_divided_by_zero(self):
        self.assertEqual(figures.ratios_by_round({1: 10.0}, {1: 0.0}), [])
        self.assertEqual(figures.noise([0.0, 0.0]), 0.0)
        self.assertEqual(figures.slope((100, 5), (100, 9)), 0.0)

    def test_noise_is_how_far_rounds_are_from_the_median_but_for_odd_ones(self):
        self.assertAlmostEqual(figures.noise([9.0, 10.0, 12.0]), 0.3)
        self.assertAlmostEqual(figures.noise([9.0, 10.0, 10.0, 11.0, 11.0, 500.0, 10.0]), 0.3)
        self.assertEqual(figures.noise([7.0]), 0.0)

    def test_what_is_expected_allows_for_some_noise_in_any_case(self):
        self.assertEqual(figures.expectation([2.0, 2.0, 2.0], 0.1), {"ratio": 2.0, "noise": 0.1})
        self.assertEqual(figures.expectation([1.0, 2.0, 3.0], 0.1), {"ratio": 2.0, "noise": 1.5})

    def test_only_what_is_worse_by_more_than_the_noise_is_worse(self):
        expected = {"ratio": 0.5, "noise": 0.2}
        self.assertFalse(figures.is_worse([0.1, 0.6, 9.0], expected))
        self.assertTrue(figures.is_worse([0.1, 0.61, 9.0], expected))
        self.assertFalse(figures.is_worse([], expected))

    def test_what_a_start_costs_is_no_part_of_an_operation(self):
        self.assertEqual(figures.slope((1000, 5300), (2000, 9300)), 4.0)

    def test_a_run_fills_its_time_within_bounds(self):
        self.assertEqual(figures.iterations(1000000, 1.0, 5000.0, 10), 200000)
        self.assertEqual(figures.iterations(1000, 1.0, 5000.0, 10), 1000)
        self.assertEqual(figures.iterations(1000, 1.0, 1e9, 10), 10)
        self.assertEqual(figures.iterations(1000, 1.0, 0, 10), 1000)

    def test_a_figure_is_shown_with_the_digits_that_count(self):
        shown = [figures.text(value) for value in (None, 0, 0.0000312, 0.0123, 1.234, 45.67, 456.7, 12345)]
        self.assertEqual(shown, ["–", "0", "3e-05", "0.012", "1.23", "45.7", "457", "12,345"])


class Report(unittest.TestCase):
    def test_a_disturbed_run_counts_only_where_there_is_no_other(self):
        self.assertEqual(report.values(peer("weft", 10.0, 90.0, 12.0, noisy=[2]), "ns_per_op"),
                         {1: 10.0, 3: 12.0})
        self.assertEqual(report.values(peer("weft", 10.0, 90.0, noisy=[1, 2]), "ns_per_op"),
                         {1: 10.0, 2: 90.0})

    def test_the_best_comes_first(self):
        found = results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 5.0)})["workloads"]["chain"]
        self.assertEqual(report.ranking(found, "one"), ["libuv", "weft"])
        found["cases"]["one"]["peers"]["weft"] = peer("weft", 10.0, metric="req_per_s")
        found["cases"]["one"]["peers"]["libuv"] = peer("libuv", 5.0, metric="req_per_s")
        self.assertEqual(report.ranking(dict(found, key="req_per_s"), "one"), ["weft", "libuv"])

    def test_a_table_says_how_weft_stands_beside_each_peer(self):
        found = results({"weft": peer("weft", 10.0, 10.0), "libuv": peer("libuv", 20.0, 40.0)})
        table = report.cells(found["workloads"]["chain"], "one")
        self.assertEqual(table[1:], [["weft", "10.0", "10.0 – 10.0", ""],
                                     ["libuv", "30.0", "20.0 – 40.0", "2.67× better"]])


class Check(unittest.TestCase):
    def test_what_got_worse_is_named(self):
        before = check.expectations(results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 20.0)}))
        self.assertEqual(before, {"chain, one": {"libuv": {"ratio": 0.5, "noise": 0.1}}})
        same = results({"weft": peer("weft", 10.9), "libuv": peer("libuv", 20.0)})
        self.assertEqual(check.worse(same, before), {})
        self.assertEqual(check.compared(same, before), 1)
        slower = results({"weft": peer("weft", 11.2), "libuv": peer("libuv", 20.0)})
        (place, complaint), = check.worse(slower, before).items()
        self.assertEqual(place, ("chain", "one", "libuv"))
        self.assertRegex(complaint, "chain, one: weft is 0.56 of libuv; 0.50 was expected, at most 0.55")

    def test_a_machine_that_is_slower_in_all_does_not_fail(self):
        before = check.expectations(results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 20.0)}))
        slow = results({"weft": peer("weft", 1000.0), "libuv": peer("libuv", 2000.0)})
        self.assertEqual(check.worse(slow, before), {})

    def test_a_peer_that_nobody_expects_does_not_fail(self):
        found = results({"weft": peer("weft", 10.0), "new": peer("new", 1.0)})
        self.assertEqual(check.worse(found, {}), {})
        self.assertEqual(check.compared(found, {}), 0)

    def test_what_was_not_measured_now_stays_expected(self):
        before = {"http, one": {"nginx": {"ratio": 0.9, "noise": 0.1}}}
        after = check.expectations(results({"weft": peer("weft", 1.0), "go": peer("go", 2.0)}), before)
        self.assertEqual(after["http, one"], before["http, one"])
        self.assertEqual(after["chain, one"]["go"]["ratio"], 0.5)

    def test_each_maker_of_cpus_has_ratios_of_its_own(self):
        def of(ratio):
            return {"chain, one": {"go": {"ratio": ratio, "noise": 0.4}}}

        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch.object(check, "EXPECTED", os.path.join(folder, "expected.json")):
            for maker, ratio in (("one", 1.0), ("other", 2.0)):
                with unittest.mock.patch.object(check.machine, "cpu_maker", return_value=maker):
                    check.save(of(ratio))
            for maker, ratio in (("one", 1.0), ("other", 2.0), ("unknown", 2.0)):
                with unittest.mock.patch.object(check.machine, "cpu_maker", return_value=maker):
                    self.assertEqual(check.load(), of(ratio))

    def test_weft_is_not_compared_with_itself(self):
        found = results({"weft": peer("weft", 10.0), "weft_parked": peer("weft", 20.0)})
        self.assertEqual(check.ratios(found), {})


class Plan(unittest.TestCase):
    def test_the_command_line_is_understood(self):
        options = main.arguments(["chain", "http", "--peers", "c", "--quick", "--check"])
        self.assertEqual(options.workloads, ["chain", "http"])
        self.assertTrue(options.quick and options.check)

    def test_every_program_is_of_a_family_that_can_be_installed(self):
        for workload in plan.WORKLOADS.values():
            for program in workload.programs:
                self.assertIn(program.family, peers.FAMILIES, f"{workload.name}: {program.peer}")

    def test_no_two_programs_of_a_workload_have_one_name(self):
        for workload in plan.WORKLOADS.values():
            names = [program.peer for program in workload.programs]
            self.assertEqual(len(names), len(set(names)), workload.name)

    def test_peers_are_chosen_by_group_family_and_name(self):
        def chosen(wanted):
            return {program.peer for program in
                    plan.choose_peers(plan.WORKLOADS["round-trip"], wanted, peers.FAMILIES)}
        self.assertTrue(all(name.startswith("weft") for name in chosen("none")))
        self.assertLess({"weft", "libuv", "asio_reactor"}, chosen("c"))
        self.assertFalse({"go", "tokio", "asyncio"} & chosen("c"))
        self.assertLess({"weft", "go", "go_locked"}, chosen("go"))
        self.assertEqual(chosen("c,go"), chosen("c") | chosen("go"))
        with self.assertRaises(plan.PlanError):
            plan.check_peers("libux", peers.FAMILIES)


class Peers(unittest.TestCase):
    def test_what_is_missing_is_installed_before_anything_was_built(self):
        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch.object(peers, "BUILD", os.path.join(folder, "build")), \
                unittest.mock.patch.object(peers, "_apt", return_value=True) as apt, \
                unittest.mock.patch.object(peers.shutil, "which", return_value="/bin/true"):
            peers.install({"nothing": "/nowhere/nothing"})
            self.assertEqual([call.args[0][0] for call in apt.call_args_list], ["update", "install"])


class Page(unittest.TestCase):
    def test_every_explanation_is_of_a_workload(self):
        names = {name.removesuffix(".md") for name in os.listdir(page.WHY)}
        self.assertLessEqual(names - {"machine", "peers"}, set(plan.WORKLOADS))

    def test_readme_has_a_place_for_the_table_and_workloads_that_there_are(self):
        with open(page.README, encoding="utf-8") as file:
            readme = file.read()
        self.assertLess(0, readme.index(page.BEGIN))
        self.assertLess(readme.index(page.BEGIN), readme.index(page.END))
        self.assertLessEqual({name for _, name, *_ in page.SUMMARY}, set(plan.WORKLOADS))

    def test_readme_names_weft_and_those_peers_that_were_there(self):
        found = results({"weft": peer("weft", 10.0), "libuv_idle": peer("libuv", 20.0)})
        self.assertIn("| 10.0 ns | libuv idle 20.0 | `chain` |", page.summary(found))

    def test_a_table_of_the_page_stresses_weft(self):
        found = results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 20.0)})
        lines = page.table(report.cells(found["workloads"]["chain"], "one")).splitlines()
        self.assertEqual(lines[2], "| **weft** | **10.0** | **10.0 – 10.0** |  |")
        self.assertEqual(lines[3], "| libuv | 20.0 | 20.0 – 20.0 | 2.00× better |")

    def test_a_plot_has_a_point_for_each_peer_but_none_at_zero(self):
        found = results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 20.0), "go": peer("go", 0.0)})
        script = plot.script(found["workloads"]["chain"], "chain.svg")
        self.assertIn('set label "libuv" at graph -0.012, first 0', script)
        self.assertIn('set label "weft" at graph -0.012, first 1', script)
        self.assertNotIn('"go"', script)
        self.assertEqual(plot.script(results({"weft": peer("weft", 1.0)})["workloads"]["chain"], "x"), "")


    def test_a_scale_is_logarithmic_where_peers_are_far_apart(self):
        self.assertEqual(plot.scale(10, 35)[:2], (False, 0))
        is_log, begin, end, ticks = plot.scale(10, 20000)
        self.assertTrue(is_log and begin < 10 and end > 20000)
        self.assertEqual(ticks, [10.0, 100.0, 1000.0, 10000.0])

    def test_a_section_is_found_by_its_link(self):
        found = results({"weft": peer("weft", 10.0), "libuv": peer("libuv", 20.0)})
        found |= {"machine": dict.fromkeys(("cpu", "cpus", "memory_gib", "virtual", "system", "kernel", "compiler",
                                            "libc", "weft", "when"), "x"), "left_out": {}}
        text = page.render(found, {"chain": "chain.svg", "overview": "overview.svg"})
        self.assertIn("[chain](#chain-one-after-another)", text)
        self.assertIn("\n## chain: one after another\n", text)
        self.assertIn("| one | **10.0 ns** | libuv 20.0 | 2.00× better | 1 of 2 |", text)
        self.assertIn("| a step | at most 5 ns, polled at least every 256 steps | 10.0 ns | [**missed**: why](#chain-one-after-another) |", text)

    def test_a_peers_cost_stands_beside_wefts(self):
        found = results({"weft": peer("weft", 10.0, 10.0), "libuv": peer("libuv", 40.0, 40.0), "go": peer("go", 5.0)})
        self.assertEqual(page.standings(found), [("chain", "one", [("libuv", 4.0), ("go", 0.5)], 2)])
        script = plot.overview(page.overview_rows(found), "x.svg")
        self.assertIn("2 of 3", script)


class Goals(unittest.TestCase):
    def setUp(self):
        self.result = results({"weft": peer("weft", 10.0, 12.0), "libuv": peer("libuv", 20.0, 6.0),
                               "go": peer("go", 4.0, 4.0)})["workloads"]["chain"]
        self.run_of = goals.Run(self.result)

    def test_a_goal_is_judged_by_the_median_or_round_by_round(self):
        self.assertEqual(self.run_of.median(), 11.0)
        self.assertEqual(self.run_of.most(), 12.0)
        self.assertEqual(self.run_of.times("weft", "libuv"), 1.25)
        self.assertEqual(self.run_of.times_best(), 2.75)
        self.assertEqual(self.run_of.times_best(without=("go",)), 1.25)

    def test_a_floor_is_that_of_the_same_round(self):
        self.result |= {"floor": "line", "floors": [{"line": 5.0}, {"line": 3.0}]}
        self.assertEqual(self.run_of.times(), 3.0)

    def test_what_a_run_does_not_have_is_not_judged(self):
        with self.assertRaises(goals.Lacks):
            self.run_of.median("tokio")
        with self.assertRaises(goals.Lacks):
            self.run_of.calls("weft")
        self.assertTrue(all(value is None for _, value, _ in goals.judged({"workloads": {}})))

    def test_what_may_never_be_exceeded_is_the_longest_of_many_runs(self):
        runs = [{"wall": (value, "ms"), "cpu": (1.0, "ns")} for value in (17.0, 19.0, 18.0)]
        self.assertEqual(measure.of_many(runs, "wall"), {"wall": (18.0, "ms"), "cpu": (1.0, "ns"), "longest": (19.0, "ms"),
                                                         "runs": (3, "1")})
        many = peer("weft", 19.0, 21.0, metric="longest")
        for run in many["runs"]:
            run["metrics"] |= {"wall": 18.0, "runs": 34}
        found = {"workloads": {"fan-out": results({"weft": many}, "wall")["workloads"]["chain"]}}
        judged = {goal.what: (goal.is_reached(value), beside) for goal, value, beside in goals.judged(found)
                  if value is not None}
        self.assertEqual(judged, {"the longest": (False, "of 68 runs")})

    def test_a_goal_that_is_missed_is_explained_by_a_profile(self):
        found = results({"weft": peer("weft", 10.0)})
        self.assertEqual(goals.missed(found), ["chain"])
        with tempfile.TemporaryDirectory() as folder, unittest.mock.patch.object(page, "WHY", folder):
            self.assertEqual(page.unexplained(found), ["chain"])
            with open(os.path.join(folder, "chain.md"), "w", encoding="utf-8") as file:
                file.write("A profile: half of it is the poll.\n")
            self.assertEqual(page.unexplained(found), [])
        self.assertEqual(goals.missed(results({"weft": peer("weft", 5.0)})), [])

    def test_a_case_of_as_many_as_there_can_be_says_how_many_there_were(self):
        found = {"peers": {"weft": peer("weft", 4000.0, metric="connections"), "go": peer("go", 3998.0, metric="connections")}}
        self.assertEqual(page.case_title("at most", found), "at most: 3,998 to 4,000")
        self.assertEqual(page.case_title("one", {"peers": {"weft": peer("weft", 1.0)}}), "one")

    def test_every_goal_is_of_a_workload_and_its_cases(self):
        self.assertLessEqual({goal.workload for goal in goals.GOALS}, set(plan.WORKLOADS))

    def test_more_is_better_where_a_goal_says_at_least(self):
        goal = goals.Goal("chain", "", "", None, 1.8, at_least=True)
        self.assertTrue(goal.is_reached(1.8))
        self.assertFalse(goal.is_reached(1.7))


class Instructions(unittest.TestCase):
    def test_what_was_written_is_read_again(self):
        text = instructions.render("gcc (Debian) 12.2.0", {"chain": 12.34, "chain, call_soon": 526.0})
        self.assertEqual(instructions.parse(text),
                         ("gcc (Debian) 12.2.0", {"chain": 12.3, "chain, call_soon": 526.0}))

    def test_four_in_a_hundred_are_a_difference_and_half_an_instruction_is_none(self):
        self.assertFalse(instructions.differs(101.9, 100.0))
        self.assertTrue(instructions.differs(104.1, 100.0))
        self.assertTrue(instructions.differs(95.9, 100.0))
        self.assertFalse(instructions.differs(5.4, 5.0))

    def test_what_differs_and_what_nobody_expects_fails(self):
        lines, failed = instructions.compare({"a": 110.0, "b": 50.0, "c": 1.0}, {"a": 100.0, "b": 50.0})
        self.assertEqual(failed, 2)
        self.assertRegex(lines[0], "WORSE: 100.0 before$")
        self.assertRegex(lines[1], "^b +50.0$")
        self.assertRegex(lines[2], "not in bench/instructions.txt$")

    def test_the_file_says_what_it_is_of(self):
        with open(instructions.FILE, encoding="utf-8") as file:
            compiler, expected = instructions.parse(file.read())
        self.assertRegex(compiler, "gcc|clang")
        self.assertLessEqual(set(expected), {count.name for count in instructions.COUNTS})


class Calls(unittest.TestCase):
    def test_the_count_is_read_from_perf_and_from_strace(self):
        perf = "# started on Fri\n\n4321,,raw_syscalls:sys_enter,1234,100.00,,\n"
        self.assertEqual(calls.parse("perf", perf), 4321)
        self.assertIsNone(calls.parse("perf", "<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"))
        strace = ("% time     seconds  usecs/call     calls    errors syscall\n"
                  " 60.00    0.000100           1       100           read\n"
                  "100.00    0.000170           1       134         3 total\n")
        self.assertEqual(calls.parse("strace", strace), 134)


if __name__ == "__main__":
    unittest.main()
