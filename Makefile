# Everything that is made here. `make help` lists the targets. The scripts behind them are in eng/.
SHELL := /bin/bash
export FLOE_CACHE ?= $(CURDIR)/.cache
export FLOE_BUNDLE ?= $(CURDIR)/dist/floe
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT := 1

.PHONY: help tools bundle check check-slurm soak-filesystem soak-reclaims bench demo clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

tools: ## install what the build and the tests need (Debian packages; root), or say what is missing
	@eng/tools build test

bundle: ## build dist/floe: the program, CRIU with everything it needs, tini; runs from any path of any Linux root
	@eng/tools build
	@eng/bundle

check: ## run all tests: unit tests, then those that need root, real CRIU, machines and servers
	@eng/check

check-slurm: bundle ## jobs of a real Slurm are requeued in their middle and finish on another node (root; minutes)
	@eng/check-slurm

soak-filesystem: bundle ## run the file system's random tests twenty times as long, all workloads moved on the mount, and restores that are killed (root; half an hour)
	@dotnet build tests/Floe.FileSystem.Tests -c Release -v q
	@dotnet build tests/Floe.IntegrationTests -c Release -v q
	@FLOE_SOAK=$${FLOE_SOAK:-20} artifacts/bin/Floe.FileSystem.Tests/release/Floe.FileSystem.Tests -noColor -noLogo -namespace 'Floe.FileSystem.Tests.M*'
	@FLOE_SOAK=1 FLOE_TEST_KILLS=$${FLOE_TEST_KILLS:-40} artifacts/bin/Floe.IntegrationTests/release/Floe.IntegrationTests -noColor -noLogo -class '*MovedWorkloadTests' -class '*KilledRestoreTests'

soak-reclaims: bundle ## reclaim tasks 200 times at random moments and look for lost or doubled lines (root; half an hour)
	@dotnet build tests/Floe.IntegrationTests -c Release -v q
	@FLOE_TEST_RECLAIMS=$${FLOE_TEST_RECLAIMS:-200} artifacts/bin/Floe.IntegrationTests/release/Floe.IntegrationTests -noColor -noLogo -method '*Task_ReclaimedAgainAndAgain_EveryLogIsWhole'

bench: bundle ## run the benchmarks; one line each, and JSON in artifacts/bench.json (root)
	@eng/tools bench
	@dotnet run --project bench/Floe.Bench -c Release -v q

demo: ## freeze a real computation on one machine and finish it on another
	@eng/demo/demo

clean: ## remove what was built; downloads in $(FLOE_CACHE) are kept
	@rm -rf artifacts dist
