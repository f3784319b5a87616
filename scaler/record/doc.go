// Package record writes decisions down as ScalingRecords, follows what comes of them, and says which ones need not be kept any longer.
//
// It owns what a record says and in which phase it is; it reads no cluster and writes to none.
package record
