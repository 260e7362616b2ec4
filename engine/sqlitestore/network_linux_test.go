package sqlitestore

import "testing"

// The numbers of statfs(2) that name network file systems, and some that do not.
func TestNetworkName(t *testing.T) {
	for kind, want := range map[uint32]string{0x6969: "NFS", 0xff534d42: "SMB", 0xfe534d42: "SMB", 0xef53: "", 0x58465342: "", 0x01021994: "", 0x9123683e: "", 0x794c7630: ""} {
		if got := networkName(kind); got != want {
			t.Errorf("%#x is %q, it must be %q", kind, got, want)
		}
	}
	if err := local(t.TempDir() + "/stanch.db"); err != nil {
		t.Error(err)
	}
}
