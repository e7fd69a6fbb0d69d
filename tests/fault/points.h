/* SPDX-License-Identifier: ISC */
/*
 * What aim (the driver) and points.so (in every process of a step) share: a file mapped by both, so
 * that nothing is opened or written at a point and a killed process loses no record.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define POINTS_MAGIC 0x70746e73u
#define POINTS_MAP_ENV "TAGSHIP_POINTS"
#define POINTS_INSTANCES 1024
#define POINTS_RECORDS 16384
#define POINTS_TEXT 216

typedef enum {
	POINTS_NONE,   /* only count */
	POINTS_KILL,   /* half of a write, then SIGKILL */
	POINTS_ENOSPC, /* the call fails */
	POINTS_EIO,    /* the call fails */
	POINTS_CUT,    /* half of a write, then aim copies the device and ends everything */
} PointsFault;

typedef struct {
	uint32_t magic;
	uint32_t fault;     /* PointsFault */
	uint64_t dev;       /* the file system whose calls are points */
	char root[216];     /* where it is mounted */
	char aim_label[48]; /* LABEL:INSTANCE:NUMBER, in parts */
	uint32_t aim_instance;
	uint32_t aim_number;
	atomic_uint reached;
	atomic_uint cut_asked;
	atomic_uint instances;
	atomic_uint records;
	char labels[POINTS_INSTANCES][48];
	char texts[POINTS_RECORDS][POINTS_TEXT]; /* "LABEL:INSTANCE:NUMBER CALL PATH" */
} PointsMap;
