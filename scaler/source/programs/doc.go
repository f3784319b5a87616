// Package programs sees what the programs of tenants say of themselves in their metrics: API servers of their requests and of whom they turn away,
// etcd members of their disks and their database.
//
// It owns the meaning of their families and the readings of the last minutes. It never waits for anybody, and what it cannot read is unknown: nobody's
// rescue rests on it.
package programs
