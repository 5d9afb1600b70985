// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_CONTROLLER_BASE_LINK_WATCH_H_
#define PXEGATE_CONTROLLER_BASE_LINK_WATCH_H_

#include <string>
#include <vector>

#include "controller/base/fd.h"
#include "controller/base/result.h"

namespace pxegate {

// Hears of network interfaces that come, go or change (rtnetlink, group
// RTNLGRP_LINK) in the network namespace of the thread that made it.
class LinkWatch {
 public:
  static Result<LinkWatch> make(std::vector<std::string> interfaces);

  // Readable when drain() has something to read.
  int fd() const { return socket_.get(); }

  // Reads all that is waiting; true where a watched interface was among it,
  // or where messages were lost.
  bool drain() const;

 private:
  LinkWatch(UniqueFd socket, std::vector<std::string> interfaces)
      : socket_(std::move(socket)), interfaces_(std::move(interfaces)) {}

  UniqueFd socket_;
  std::vector<std::string> interfaces_;
};

}  // namespace pxegate

#endif  // PXEGATE_CONTROLLER_BASE_LINK_WATCH_H_
