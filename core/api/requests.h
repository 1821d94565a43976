/* SPDX-License-Identifier: MIT */
/** @file requests.h  Reads the requests of an application. */
#ifndef CG_API_REQUESTS_H
#define CG_API_REQUESTS_H

#include <confgen/confgen.h>

/** Request `i` of an array of the application, whose distance is the first one's struct_size. */
const cg_request *cg_request_at(const cg_request *requests, int64_t i);

/**
 * Reads request `i` of an array of the application.
 *
 * @return CG_OK; CG_ERR_USAGE, CG_ERR_UNSUPPORTED naming the request
 */
cg_status cg_request_read(const cg_request *requests, int64_t i, cg_request *ret_request,
                          cg_error *err);

#endif
