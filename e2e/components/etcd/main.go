// Command etcd is etcd's own server, or etcdctl when it is started under that name or with it as the first argument.
package main

import (
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 1 && (os.Args[1] == "etcdctl" || os.Args[1] == "etcd") {
		name, os.Args = os.Args[1], os.Args[1:]
	}
	if name == "etcdctl" {
		ctlv3.MustStart()
		return
	}
	etcdmain.Main(os.Args)
}
