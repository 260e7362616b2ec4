package sqlitestore

import (
	"fmt"
	"path/filepath"
	"syscall"
)

// local refuses a directory on a network file system: the shared memory and the
// locks that SQLite's write-ahead log needs do not reach other hosts there.
func local(path string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
		return err
	}
	if name := networkName(uint32(fs.Type)); name != "" {
		return fmt.Errorf("it lies on a network file system (%s), where a store can be damaged: name a path on a local disk", name)
	}
	return nil
}

// networkName answers the name of a network file system by its number in
// statfs(2), or nothing.
func networkName(kind uint32) string {
	switch kind {
	case 0x6969:
		return "NFS"
	case 0x517b, 0xff534d42, 0xfe534d42:
		return "SMB"
	case 0x5346414f, 0x6b414653:
		return "AFS"
	case 0x00c36400:
		return "Ceph"
	}
	return ""
}
