// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_APP_CURL_OPTIONS_H_
#define PXEGATE_CONTROLLER_APP_CURL_OPTIONS_H_

#include "controller/config/config.h"
#include "controller/ironic/curl_transport.h"

namespace pxegate {

// What a service's section says of TLS and patience.
inline CurlOptions curl_options(const ServiceConfig& config) {
  CurlOptions options;
  options.cafile = config.cafile;
  options.certfile = config.certfile;
  options.keyfile = config.keyfile;
  options.insecure = config.insecure;
  options.timeout = config.timeout;
  return options;
}

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_APP_CURL_OPTIONS_H_
