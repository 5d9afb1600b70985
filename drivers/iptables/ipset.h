// SPDX-License-Identifier: Apache-2.0
#ifndef PXEGATE_DRIVERS_IPTABLES_IPSET_H_
#define PXEGATE_DRIVERS_IPTABLES_IPSET_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/command_runner.h"
#include "controller/base/mac_address.h"
#include "controller/base/result.h"

namespace pxegate {

// One set of type hash:mac.
struct MacSet {
  std::size_t capacity = 0;         // ipset's maxelem
  std::vector<MacAddress> members;  // sorted, no duplicates
};

// Reads what `ipset save NAME` printed. A set of another type, or one whose
// members expire, is kInvalid.
Result<MacSet> parse_ipset_save(std::string_view output);

// Input for `ipset restore`: a set with exactly these members, and room for
// as many again. Fails as a whole where a set of that name exists.
std::string render_set(std::string_view name,
                       const std::vector<MacAddress>& members);

// The kernel's sets of MAC addresses (ipset, type hash:mac) that belong to one
// chain: two names, of which the chain uses one at most. A new verdict for
// unknown machines needs another set, to which the chain changes over in the
// same instant; a change of a few machines is made in the set in use.
class IpsetStore {
 public:
  // Sets of version 4 and 6 live in one name space.
  IpsetStore(const std::string& chain, int ip_version,
             std::shared_ptr<CommandRunner> runner);

  // Finds out, by trying, whether kernel and programs have what is needed.
  // Not having it is no error: available() tells, and problem() why not.
  void probe();
  bool available() const { return available_; }
  const std::string& problem() const { return problem_; }
  // For what turns out only later.
  void give_up(std::string problem);

  // One of the two names.
  bool owns(std::string_view name) const;
  // Members of whatever set has that name.
  Result<MacSet> read(const std::string& name) const;
  // Makes a set under one of the two names, not the one `in_use`, and returns
  // that name.
  Result<std::string> make(const std::vector<MacAddress>& members,
                           const std::string& in_use);
  // Changes a set in use, one address after the other, `first` before `then`.
  // An error may leave a part done.
  enum class Step { kAddFirst, kRemoveFirst };
  Result<> change(const std::string& name, const std::vector<MacAddress>& add,
                  const std::vector<MacAddress>& remove, Step order) const;
  // Destroys those of the two that are there and not `in_use`. The error says
  // which is left.
  Result<> destroy_unused(std::string_view in_use);
  // Whether destroy_unused() would find nothing; abandon() says that a set is
  // no longer in use.
  bool clean() const { return clean_; }
  void abandon() { clean_ = false; }

 private:
  const std::string first_;
  const std::string second_;
  const std::string probe_;
  const std::shared_ptr<CommandRunner> runner_;
  bool available_ = false;
  bool clean_ = false;
  std::string problem_;
};

}  // namespace pxegate

#endif  // PXEGATE_DRIVERS_IPTABLES_IPSET_H_
