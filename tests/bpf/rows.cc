// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/rows.h"

namespace pxegate::testing {

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (std::vector<Row>& rows :
       std::vector{link_rows(), network_rows(), client_rows(), option_rows()})
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  return all;
}

}  // namespace pxegate::testing
