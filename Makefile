# tagship: plain GNU make. `make help` lists the targets.
VERSION := 0.1.0
prefix ?= /usr/local
bindir ?= $(prefix)/bin
libexecdir ?= $(prefix)/lib/tagship
mandir ?= $(prefix)/share/man
unitdir ?= $(prefix)/lib/systemd/system
compdir ?= $(prefix)/share/bash-completion/completions
docdir ?= $(prefix)/share/doc/tagship
DESTDIR ?=
CC ?= gcc
PKG_CONFIG ?= pkg-config
GLIB_COMPILE_RESOURCES ?= glib-compile-resources

# B is where everything is built; SAN=1 builds with the sanitizers into a folder of its own,
# COV=1 for gcov, FUZZ=1 for libFuzzer (by clang).
SAN ?=
COV ?=
FUZZ ?=
B ?= build$(if $(SAN),-san)$(if $(COV),-cov)$(if $(FUZZ),-fuzz)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	-Wcast-qual -Wwrite-strings
ifeq ($(shell $(CC) --version | grep -c clang),0)
WARN += -Wnull-dereference -Wlogical-op -Wduplicated-cond
endif
WERROR ?= -Werror
JOBS ?= $(shell nproc)
# tests wait more than they work, unless instrumented
TEST_JOBS ?= $(if $(SAN),$(JOBS),$(shell echo $$((2 * $(JOBS)))))
UNIT_JOBS ?= $(if $(SAN),$(JOBS),$(shell echo $$((3 * $(JOBS)))))
comma := ,
# what the sanitizers watch: one list for compiling and linking
SANITIZE := $(if $(FUZZ),fuzzer-no-link$(comma)address$(comma)undefined,$(if $(SAN),address$(comma)undefined))
OPT := $(if $(SANITIZE),-O1 -g -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined,$(if $(COV),-O0 -g --coverage,-O2 -g -D_FORTIFY_SOURCE=3))
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS ?= $(OPT) $(HARDEN)
CPPFLAGS += -Isrc -D_GNU_SOURCE -DTAGSHIP_VERSION='"$(VERSION)"' -DTAGSHIP_LIBEXEC='"$(libexecdir)"' \
	-DTAGSHIP_BINDIR='"$(bindir)"' \
	-DG_LOG_DOMAIN='"tagship"' -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74
LDFLAGS ?= -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(if $(COV),--coverage)

CPPFLAGS += $(if $(COV),-DTAGSHIP_COV='"$(abspath $(B))"')

GLIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags gio-unix-2.0)
GLIB_LIBS := $(shell $(PKG_CONFIG) --libs gio-unix-2.0)
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(WARN) $(WERROR) $(CPPFLAGS) $(GLIB_CFLAGS)

# The rooms and what each may see: src/rooms is the one table.
ROOMS := $(shell awk '!/^\#/ && NF && $$1!="cmd" {print $$1}' src/rooms)
PKG_conf := libconfig
PKG_delta := liblzma zlib
PKG_repo := libgit2
PKG_wire := libssh2
PKG_bundle := libarchive
PKG_util := libcrypto
PKG_confine := libseccomp
PKG_status := json-glib-1.0
PKG_board := json-glib-1.0
PKG_notice := json-glib-1.0
$(foreach p,$(sort $(foreach r,$(ROOMS),$(PKG_$(r)))),\
  $(eval CFLAGS_$(p) := $(shell $(PKG_CONFIG) --cflags $(p) 2>/dev/null))\
  $(eval LIBS_$(p) := $(shell $(PKG_CONFIG) --libs $(p) 2>/dev/null)))

# closure of ROOM, highest first, ending in util
closure = $(shell scripts/rooms closure $(1))
$(foreach r,$(ROOMS),$(eval CLOSURE_$(r) := $(call closure,$(r))))
room_libs = $(foreach r,$(1),$(B)/lib$(r).a)
room_pkgs = $(foreach p,$(sort $(foreach r,$(1),$(PKG_$(r)))),$(LIBS_$(p)))

PROGRAMS := tagship tagship-base tagship-stage tagship-activate
GATES := pre-receive post-receive reference-transaction
HOOKS := pre-receive-judge post-receive-follow reference-transaction-poke
ROOMS_tagship := $(call closure,board serve notice)
ROOMS_tagship-base := $(call closure,status mirror stage activate serve notice)
ROOMS_tagship-stage := $(call closure,stage activate)
ROOMS_tagship-activate := $(call closure,activate)
ROOMS_pre-receive-judge := $(call closure,publish)
ROOMS_post-receive-follow := $(call closure,store conf)
ROOMS_reference-transaction-poke := $(call closure,store conf)
COMMON_SRC := $(wildcard src/cmd/*.c)

BINS := $(PROGRAMS:%=$(B)/%) $(HOOKS:%=$(B)/hooks/%) $(GATES:%=$(B)/hooks/%)
UNIT_SRC := $(wildcard tests/unit/*/*.c)
UNIT := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)

# V=1 shows whole commands
Q := $(if $(V),,@)
say = @$(if $(V),:,echo "  $(1)")

.PHONY: all faults help install uninstall check check-programs check-unit check-flow check-fuzz check-sweep check-sim check-real check-board check-san \
	bad-bundles coverage fault fuzz fuzzers sim sweep sweep-trees sweep-releases lint demo demo-clean bench bench-road bench-bytes bench-line \
	bench-activation clean deb check-deb format
.DELETE_ON_ERROR:
.SECONDARY:
all: $(BINS)

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | sort -u

define room_rules
SRC_$(1) := $$(wildcard src/$(1)/*.c)
OBJ_$(1) := $$(SRC_$(1):%.c=$$(B)/%.o)
$$(OBJ_$(1)): ROOM_CFLAGS := $$(foreach p,$$(PKG_$(1)),$$(CFLAGS_$$(p)))
$$(B)/lib$(1).a: $$(OBJ_$(1))
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

# What the board takes along as it is: style and script, as a GResource.
ASSETS := $(B)/src/board/assets
ASSET_FILES := $(wildcard src/board/assets/*)
$(ASSETS).c $(ASSETS).h: $(ASSET_FILES)
	@mkdir -p $(@D)
	$(Q)$(GLIB_COMPILE_RESOURCES) --sourcedir=src/board/assets --internal \
		--c-name board --generate --target=$@ src/board/assets/board.gresource.xml
$(ASSETS).o: $(ASSETS).c $(ASSETS).h
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(B)/src/board/write.o: ROOM_CFLAGS += -I$(B)/src
$(B)/src/board/write.o: $(ASSETS).h
$(B)/libboard.a: $(ASSETS).o

JSON_CFLAGS := $(CFLAGS_json-glib-1.0)
$(B)/src/cmd/%.o: ROOM_CFLAGS := $(JSON_CFLAGS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) $(ROOM_CFLAGS) -MMD -MP -c -o $@ $<

define program_rules
PROG_SRC_$(1) := $$(wildcard src/cmd/$(1)/*.c)
$$(B)/$(1): $$(PROG_SRC_$(1):%.c=$$(B)/%.o) $$(COMMON_SRC:%.c=$$(B)/%.o) $$(call room_libs,$$(ROOMS_$(1)))
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(call room_pkgs,$$(ROOMS_$(1)) status) $$(GLIB_LIBS)
endef
$(foreach p,tagship tagship-base,$(eval $(call program_rules,$(p))))

define small_program_rules
PROG_SRC_$(1) := $$(wildcard src/cmd/$(1)/*.c)
$$(B)/$(1): $$(PROG_SRC_$(1):%.c=$$(B)/%.o) $$(call room_libs,$$(ROOMS_$(1)))
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(call room_pkgs,$$(ROOMS_$(1))) $$(GLIB_LIBS)
endef
$(foreach p,tagship-stage tagship-activate,$(eval $(call small_program_rules,$(p))))

define hook_rules
$$(B)/hooks/$(1): $$(B)/hooks/$(1).o $$(B)/hooks/hook.o $$(call room_libs,$$(ROOMS_$(1)))
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(call room_pkgs,$$(ROOMS_$(1))) $$(GLIB_LIBS)
endef
$(foreach h,$(HOOKS),$(eval $(call hook_rules,$(h))))

# The gate needs nothing but libc; static, it starts in half the time. Sanitizers want it dynamic.
GATE_LDFLAGS := $(if $(SAN)$(COV),$(LDFLAGS),-static-pie -Wl,-z,relro,-z,now)
$(GATES:%=$(B)/hooks/%): $(B)/hooks/gate.o
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(GATE_LDFLAGS) -o $@ $^

# The same programs with fault points: only util differs (util/fault.h), so only util is built again.
FAULT_PROGRAMS := $(PROGRAMS:%=$(B)/faults/%)
$(B)/faults/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $< (fault points))
	$(Q)$(CC) $(ALL_CFLAGS) -DTAGSHIP_FAULTS -MMD -MP -c -o $@ $<
$(B)/faults/libutil.a: $(SRC_util:%.c=$(B)/faults/%.o)
	@rm -f $@
	$(Q)ar rcs $@ $^
define fault_rules
$$(B)/faults/$(1): $$(B)/$(1) $$(B)/faults/libutil.a
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(PROG_SRC_$(1):%.c=$$(B)/%.o) \
		$$(if $$(filter tagship tagship-base,$(1)),$$(COMMON_SRC:%.c=$$(B)/%.o)) \
		$$(call room_libs,$$(filter-out util,$$(ROOMS_$(1)))) $$(B)/faults/libutil.a \
		-Wl,--as-needed $$(call room_pkgs,$$(ROOMS_$(1)) status) $$(GLIB_LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call fault_rules,$(p))))
faults: $(FAULT_PROGRAMS)

# make fault: what it preloads, and what aims at a point. They are part of no program; the gates, which
# are static, write nothing.
FAULT_TOOLS := $(B)/fault/points.so $(B)/fault/aim
$(B)/fault/points.so: tests/fault/points.c tests/fault/points.h
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(WERROR) -D_GNU_SOURCE -shared -fPIC -o $@ $<
$(B)/fault/aim: tests/fault/aim.c tests/fault/points.h
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(WERROR) -D_GNU_SOURCE -o $@ $<

# a unit test sees its room and what that room may see
define unit_rules
$$(B)/tests/unit/$(1)/%.o: ROOM_CFLAGS := $$(foreach p,$$(PKG_$(1)),$$(CFLAGS_$$(p)))
$$(B)/unit/$(1)/%: $$(B)/tests/unit/$(1)/%.o $$(call room_libs,$$(CLOSURE_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ -Wl,--as-needed $$(call room_pkgs,$$(CLOSURE_$(1))) $$(GLIB_LIBS)
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rules,$(r))))

# A fuzz target links what the rooms it includes may see. replay-NAME feeds it files and needs no
# fuzzer; fuzz-NAME is the fuzzer (FUZZ=1).
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
REPLAYERS := $(FUZZ_NAMES:%=$(B)/fuzz/replay-%)
FUZZERS := $(FUZZ_NAMES:%=$(B)/fuzz/fuzz-%)
fuzz_rooms = $(call closure,$(shell sed -n 's/^\#include "\([a-z]*\)\/.*/\1/p' tests/fuzz/fuzz-$(1).c))
$(B)/tests/fuzz/%.o $(B)/tests/sweep/%.o: ROOM_CFLAGS := $(CFLAGS_liblzma) $(CFLAGS_zlib)
define fuzz_rules
FUZZ_ROOMS_$(1) := $$(call fuzz_rooms,$(1))
$$(B)/fuzz/replay-$(1): $$(B)/tests/fuzz/replay.o
$$(B)/fuzz/fuzz-$(1): FUZZ_LDFLAGS := -fsanitize=fuzzer
$$(B)/fuzz/replay-$(1) $$(B)/fuzz/fuzz-$(1): $$(B)/tests/fuzz/fuzz-$(1).o $$(call room_libs,$$(FUZZ_ROOMS_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(FUZZ_LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) \
		-Wl,--as-needed $$(call room_pkgs,$$(FUZZ_ROOMS_$(1))) $$(GLIB_LIBS)
endef
$(foreach f,$(FUZZ_NAMES),$(eval $(call fuzz_rules,$(f))))
fuzzers: $(FUZZERS)

# The simulator, and once more with decisions that can be broken (decide/bug.h).
SIM_SRC := $(wildcard tests/sim/*.c)
SIMULATORS := $(B)/sim/sim $(B)/sim/sim-bugs
SIM_ROOMS := $(call closure,ledger store decide)
SIM_BUGS_OBJ := $(SIM_SRC:%.c=$(B)/bugs/%.o) $(SRC_decide:%.c=$(B)/bugs/%.o)
$(B)/sim/sim: $(SIM_SRC:%.c=$(B)/%.o) $(call room_libs,$(SIM_ROOMS))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(call room_pkgs,$(SIM_ROOMS)) $(GLIB_LIBS)
$(B)/bugs/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $< (seeded bugs))
	$(Q)$(CC) $(ALL_CFLAGS) -DTAGSHIP_BUGS -MMD -MP -c -o $@ $<
$(B)/sim/sim-bugs: $(SIM_BUGS_OBJ) $(call room_libs,$(filter-out decide,$(SIM_ROOMS)))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(call room_pkgs,$(SIM_ROOMS)) $(GLIB_LIBS)

# a fleet for the board's tests
FLEET := $(B)/board/fleet
$(FLEET): $(B)/tests/board/fleet.o $(call room_libs,$(CLOSURE_publish))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(call room_pkgs,$(CLOSURE_publish)) $(GLIB_LIBS)

# the sweep writes archives of its own, by zlib
SWEEP_SRC := $(wildcard tests/sweep/*.c)
$(B)/sweep/sweep-trees: $(SWEEP_SRC:%.c=$(B)/%.o) $(call room_libs,$(CLOSURE_bundle))
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(call room_pkgs,$(CLOSURE_bundle)) $(LIBS_zlib) $(GLIB_LIBS)

check: ## everything CI runs, under 6 minutes on 2 cores
	$(MAKE) $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) check-programs
	$(MAKE) check-rooms check-unit check-fuzz check-sweep check-sim check-flow

# so that they can be built in parallel before
check-programs: all faults $(FAULT_TOOLS) $(UNIT) $(REPLAYERS) $(B)/sweep/sweep-trees $(SIMULATORS)

check-rooms: ## rooms include and link only what src/rooms says
	scripts/check-rooms $(B)

# the longest first, here and among the flows, or all wait for them at the end
UNIT_LONG := $(addprefix $(B)/unit/,board/board serve/watch activate/lifecycle)
check-unit: $(UNIT) ## unit tests (g_test, TAP)
	G_TEST_SRCDIR=$(CURDIR)/tests prove -j$(UNIT_JOBS) $(PROVE_FLAGS) --exec scripts/run-unit $(UNIT_LONG) \
		$(filter-out $(UNIT_LONG),$(UNIT))

FLOW_LONG := $(addprefix tests/flow/,80-waves.sh 42-faults.sh 75-nodes.sh 40-restart.sh 30-surroundings.sh \
	25-attacks.sh 60-admin.sh 66-terminal.sh 88-readme.sh)
check-flow: all faults $(FAULT_TOOLS) ## end-to-end stories with real git, sshd and servers
	TAGSHIP_BUILD=$(abspath $(B)) prove -j$(TEST_JOBS) $(PROVE_FLAGS) --timer $(FLOW_LONG) \
		$(filter-out $(FLOW_LONG),$(wildcard tests/flow/*.sh))

check-fuzz: $(REPLAYERS) ## every fuzz target with every input of its corpus
	prove -j$(JOBS) $(PROVE_FLAGS) --exec scripts/run-replay $(REPLAYERS)

check-sweep: $(B)/sweep/sweep-trees ## a few hundred generated trees there and back
	$< --count 300 --seconds 10 --largest 4 --jobs $(JOBS)

check-sim: $(SIMULATORS) ## 2,000 simulated histories, and the seeded bugs
	tests/sim/run-sim $(B) 2000 $(JOBS)

SIM_COUNT ?= 200000
sim: $(SIMULATORS) ## SIM_COUNT (200,000) simulated histories, the seeded bugs, and a run of growth
	tests/sim/run-sim $(B) $(SIM_COUNT) $(JOBS) --growth

check-real: all ## the road with real release trees from npm, and real servers: nginx, Tomcat, Node
	TAGSHIP_BUILD=$(abspath $(B)) tests/real/check-real
	TAGSHIP_BUILD=$(abspath $(B)) prove $(PROVE_FLAGS) tests/real/check-servers

check-board: all $(FLEET) ## the board in headless Chromium (BOARD="--large --keep": 5,000 rows, screenshots)
	TAGSHIP_BUILD=$(abspath $(B)) tests/board/check-board $(BOARD)

check-san: ## unit, flow and corpus tests under ASan and UBSan
	$(MAKE) SAN=1 all
	scripts/with-sanitizers $(MAKE) SAN=1 check-unit check-fuzz check-flow

HOSTILE := $(filter $(B)/unit/stage/hostile-%,$(UNIT))
bad-bundles: all $(HOSTILE) ## how many crafted bad bundles are refused whole
	@count=0; for test in $(HOSTILE); do \
		lines=$$(scripts/run-unit $$test) || { echo "$$lines"; exit 1; }; \
		count=$$((count + $$(echo "$$lines" | grep -c '^ok .*/hostile/'))); \
	done; tests/lib/figure figure-min bad-bundles $$count 72 bundles

coverage: ## line coverage by unit, corpus and flow tests (gcov); COVERAGE_LINES=1 lists what nothing ran
	$(MAKE) $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) COV=1 check-programs
	scripts/coverage build-cov

sweep: sweep-trees sweep-releases ## round trips: 10,000 generated trees, and releases from npm and Debian

SWEEP_COUNT ?= 10000
SWEEP_SEED ?= 0
sweep-trees: $(B)/sweep/sweep-trees
	$< --seed $(SWEEP_SEED) --count $(SWEEP_COUNT) --jobs $(JOBS)

sweep-releases: all
	TAGSHIP_BUILD=$(abspath $(B)) tests/sweep/sweep-releases

fuzz: ## every fuzz target for FUZZ_S seconds (600) by libFuzzer; FUZZ_KEEP=1 keeps new inputs
	$(MAKE) CC=clang FUZZ=1 fuzzers
	JOBS=$(JOBS) scripts/fuzz build-fuzz $(FUZZ_NAMES)

lint: ## clang-format, clang-tidy, cppcheck, shellcheck, man pages, units
	scripts/lint

fault: all $(FAULT_TOOLS) ## every fault point of the road: killed, ENOSPC, EIO, power cut (root, hours; FAULT="--every 10")
	TAGSHIP_BUILD=$(abspath $(B)) JOBS=$(JOBS) tests/fault/faults $(FAULT)

demo: ## installs what is missing, builds, runs the main job before your eyes
	scripts/demo

demo-clean: ## stops what demo left running
	scripts/demo --clean

bench: bench-road bench-bytes bench-line bench-activation ## all benchmarks

bench-road: all ## what a push and an idle base cost
	TAGSHIP_BUILD=$(abspath $(B)) tests/bench/bench-road

bench-bytes: all ## what a release costs on the line, beside everyone else (over an hour, later runs minutes)
	TAGSHIP_BUILD=$(abspath $(B)) tests/bench/bench-bytes $(BENCH_BYTES)

bench-line: all ## what a release and a watch take of a line, and bad lines (root, over an hour)
	TAGSHIP_BUILD=$(abspath $(B)) tests/bench/bench-line $(BENCH_LINE)

bench-activation: all ## seconds kept, the switch, staging, requests during switches (root, half an hour)
	TAGSHIP_BUILD=$(abspath $(B)) tests/bench/bench-activation $(BENCH_ACTIVATION)

format: ## clang-format in place
	clang-format -i $(shell git ls-files '*.c' '*.h')

deb: ## Debian packages tagship-central and tagship-base into build/deb (scripts/install-deps --deb)
	scripts/deb $(B) $(VERSION)

check-deb: all deb ## the packages in a fresh Debian made by debootstrap (root, network)
	TAGSHIP_BUILD=$(abspath $(B)) tests/deb/check-deb

install: all ## DESTDIR= prefix=/usr/local
	scripts/install-files "$(B)" "$(DESTDIR)" bindir=$(bindir) libexecdir=$(libexecdir) mandir=$(mandir) \
		unitdir=$(unitdir) compdir=$(compdir) docdir=$(docdir)

uninstall: ## removes what install put there
	scripts/install-files --remove "$(B)" "$(DESTDIR)" bindir=$(bindir) libexecdir=$(libexecdir) \
		mandir=$(mandir) unitdir=$(unitdir) compdir=$(compdir) docdir=$(docdir)

clean: ## removes all build folders
	rm -rf build build-san build-cov build-fuzz

-include $(shell find $(B) -name '*.d' 2>/dev/null)

print-cflags: $(ASSETS).h # for scripts/lint
	$(info $(ALL_CFLAGS) -I$(B)/src $(foreach r,$(ROOMS),$(foreach p,$(PKG_$(r)),$(CFLAGS_$(p)))))
	@:
.PHONY: print-cflags
