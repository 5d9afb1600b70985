# SPDX-License-Identifier: Apache-2.0
# frozen_string_literal: true

# Prints, as JSON, what Vagrant makes of a Vagrantfile.
# usage: ruby machines.rb FOLDER PROVIDER

require "vagrant"
require "json"

def networks(config)
  config.vm.networks.select { |type,| type == :private_network }.map(&:last)
end

def provision(config)
  config.vm.provisioners.map { |each| { run: each.run, inline: each.config.inline } }
end

def options(provider)
  provider.instance_variables.to_h do |name|
    [name.to_s.delete("@"), provider.instance_variable_get(name).inspect]
  end
end

def describe(config, provider)
  { box: config.vm.box, networks: networks(config), provision: provision(config),
    options: options(config.vm.get_provider_config(provider)) }
end

env = Vagrant::Environment.new(cwd: ARGV[0], ui_class: Vagrant::UI::Silent)
provider = ARGV[1].to_sym
found = env.machine_names.to_h do |name|
  made = env.vagrantfile.machine_config(name, provider, env.boxes, nil, false)
  [name, describe(made[:config], provider)]
end
puts JSON.generate(found)
