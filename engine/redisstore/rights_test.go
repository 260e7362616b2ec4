package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
	"stanch/engine/storetest"
)

// leastUser is the line of the documented user.
func leastUser(t *testing.T) string {
	t.Helper()
	line, err := redisstore.ACL("test")
	if err != nil {
		t.Fatal(err)
	}
	// Tests have a prefix each.
	return strings.NewReplacer(">PASSWORD", ">correct-horse", "~test:*", "~test*", "&test:*", "&test*").Replace(line)
}

// The documented user has the rights that the laws need, and no others.
func TestTheDocumentedUserIsEnough(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.Options{ACLs: []string{leastUser(t)}})
	o := redisstore.Options{Addrs: []string{s.Addr()}, Username: "stanch", Password: "correct-horse"}
	do(t, s, "CONFIG RESETSTAT")
	t.Run("laws", func(t *testing.T) { storetest.Run(t, opener(o)) })
	o.Prefix, o.Work, o.DB, o.Replicas = "testx", true, 1, 0
	store := open(t, o)
	if _, err := redisstore.Inspect(t.Context(), o); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	used := s.Info("commandstats")
	for _, right := range strings.Fields(leastUser(t)) {
		name, is := strings.CutPrefix(right, "+")
		if is && used["cmdstat_"+name] == "" && !slices.Contains(rarely(), name) {
			t.Errorf("+%s is not used", name)
		}
	}
	for name := range used {
		name := strings.TrimPrefix(name, "cmdstat_")
		if !strings.Contains(leastUser(t)+" ", " +"+name+" ") && !slices.Contains([]string{"config|get", "config|resetstat", "auth"}, name) {
			t.Errorf("%s is used and not allowed: %s", name, used["cmdstat_"+name])
		}
	}
	log, err := s.Do("ACL", "LOG")
	for _, one := range log.([]any) {
		if text := fmt.Sprint(one); err != nil || !strings.Contains(text, "config|get") { // doctor goes without
			t.Errorf("refused: %v, %v", text, err)
		}
	}
}

// rarely are the rights that this test does not need: with proofs by replicas,
// in a cluster, and where HELLO is not known.
func rarely() []string {
	return []string{"auth", "wait", "cluster|slots", "command"}
}

func TestTheDocumentedUserIsEnoughInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 0)
	for i := range 3 {
		do(t, c.Node(i), "ACL SETUSER "+strings.TrimPrefix(leastUser(t), "user "))
		do(t, c.Node(i), "CONFIG RESETSTAT")
	}
	o := redisstore.Options{Addrs: c.Addrs(), Cluster: true, Username: "stanch", Password: "correct-horse", Prefix: "test", Work: true}
	store := open(t, o)
	if _, err := redisstore.Inspect(t.Context(), o); err != nil {
		t.Error(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	used := map[string]bool{}
	for i := range 3 {
		for name := range c.Node(i).Info("commandstats") {
			used[strings.TrimPrefix(name, "cmdstat_")] = true
		}
	}
	for _, name := range rarely() {
		if (strings.HasPrefix(name, "cluster") || name == "command") && !used[name] {
			t.Errorf("+%s is not used", name)
		}
	}
}

// TestEveryCommandIsTried holds the probe of `stanch doctor` against the scripts.
func TestEveryCommandIsTried(t *testing.T) {
	if untried, err := redisstore.Untried(); err != nil || len(untried) > 0 {
		t.Errorf("the probe does not know how to try %v: %v", untried, err)
	}
}
